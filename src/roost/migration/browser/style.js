/** The element's looks; colours are those of a light or a dark system. */
export const css = `
:host { display: block; color-scheme: light dark; container-type: inline-size;
  --line: #8886; --shade: #8881; --act: light-dark(#0b5cad, #7ab8ff) }
:host([hidden]) { display: none }
* { box-sizing: border-box }
section, button, input { font: 1rem/1.5 system-ui, sans-serif; color: CanvasText }
section { background: Canvas; padding: 1.25rem 1.5rem; max-width: 56rem }
section, button, .wide, fieldset, .item, .drop { border: 1px solid var(--line); border-radius: 8px }
h2 { margin: 0; outline: 0 }
h3 { margin: 1.25rem 0 0 }
p, details, h4, ul { margin: .5rem 0 }
.soft, caption { opacity: .75; font-size: .875rem }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px }
button { padding: .5rem .9rem; cursor: pointer; background: var(--shade) }
button:hover { border-color: var(--act) }
.main { background: var(--act); color: Canvas; font-weight: 600 }
.plain { border-color: transparent; background: none; color: var(--act) }
.row, fieldset { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: 1rem 0 0 }
.wide { overflow: auto; max-height: 22rem; margin: 1rem 0 }
table { border-collapse: collapse; width: 100%; font-size: .875rem }
th, td, caption { text-align: start; vertical-align: top; padding: .5rem .9rem }
th, td { border-top: 1px solid var(--line) }
tbody th { min-width: 8rem }
td { white-space: nowrap }
tbody th, pre, h4, li, strong, legend { overflow-wrap: anywhere }
pre { font: inherit; white-space: pre-wrap; margin: 0; min-width: 4rem; max-height: 14rem; overflow: auto }
fieldset { padding: .5rem .9rem; min-width: 0 }
.item fieldset { border: 0; padding: 0 }
legend { font-weight: 600 }
label { display: flex; gap: .5rem; align-items: center }
.drop label { flex-wrap: wrap }
.entry { margin: .5rem 1rem }
.item, .drop { margin: 1rem 0; padding: .5rem .9rem }
input { accent-color: var(--act); min-width: 0; max-width: 100% }
progress { width: 100%; height: 1rem; accent-color: var(--act) }
.over, .note { background: var(--shade); border-left: 4px solid var(--act); padding: .5rem .9rem }
.trouble { color: light-dark(#a61b1b, #ff9c92) }
[role=status]:empty, [role=alert]:empty { margin: 0 }
@container (max-width: 30rem) {
  section { padding: 1rem }
  th, td, caption, .item { padding: .5rem }
  .row button { width: 100% }
}
`;
