/** The element's looks; colours follow the page's `color-scheme`. */
export const css = `
:host { display: block; color-scheme: light dark; container-type: inline-size;
  --ink: light-dark(#1b2430, #e7ebf1); --soft: light-dark(#566273, #a4b0c0);
  --line: light-dark(#cbd3dd, #3b4655); --ground: light-dark(#fff, #161b22);
  --shade: light-dark(#f3f6f9, #1f2630); --act: light-dark(#0b5cad, #7ab8ff);
  --bad: light-dark(#a61b1b, #ff9c92); --on-act: light-dark(#fff, #0d1520); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
section { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.5rem; max-width: 56rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
p { margin: .5rem 0; max-width: 42rem; }
small, caption, .soft { color: var(--soft); font-size: .875rem; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
h2:focus { outline: none; }
button { font: inherit; padding: .45rem .9rem; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--line); background: var(--shade); color: inherit; }
button:hover { border-color: var(--act); }
button:disabled { opacity: .55; cursor: default; }
.main { background: var(--act); border-color: var(--act); color: var(--on-act); font-weight: 600; }
.plain { border-color: transparent; background: none; color: var(--act); }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: 1rem; }
.wide { overflow-x: auto; max-height: 22rem; margin: .75rem 0; border: 1px solid var(--line);
  border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: start; padding: .4rem .7rem; }
th, td { text-align: start; vertical-align: top; padding: .35rem .7rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { background: var(--shade); white-space: nowrap; }
tbody th { font-weight: 500; min-width: 7rem; }
td { min-width: 4rem; }
pre, code, textarea { font: .8125rem/1.45 ui-monospace, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 0; }
pre { max-height: 14rem; overflow: auto; }
textarea { width: 100%; padding: .5rem; }
fieldset { border: 1px solid var(--line); border-radius: 6px; margin: .75rem 0; padding: .3rem .8rem .6rem;
  display: flex; flex-wrap: wrap; gap: .25rem 1.2rem; min-width: 0; }
legend { font-weight: 600; padding: 0 .3rem; overflow-wrap: anywhere; }
label { display: inline-flex; gap: .4rem; align-items: center; }
fieldset fieldset, .item fieldset { border: 0; padding: 0; margin: .4rem 0; }
.item { border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0; padding: .5rem .9rem .7rem; }
.item h4 { margin: .2rem 0; overflow-wrap: anywhere; }
input { accent-color: var(--act); font: inherit; }
progress { width: 100%; height: 1rem; accent-color: var(--act); }
details { margin: .6rem 0; }
summary { cursor: pointer; padding: .2rem 0; }
li { margin: .3rem 0; overflow-wrap: anywhere; }
ul { padding-inline-start: 1.3rem; margin: .4rem 0; }
.drop { border: 2px dashed var(--line); border-radius: 8px; padding: 1.25rem; margin: .75rem 0; }
.drop.over { border-color: var(--act); background: var(--shade); }
.note { border-inline-start: 4px solid var(--act); background: var(--shade); padding: .5rem .9rem; }
.trouble { color: var(--bad); }
[role=status]:empty, [role=alert]:empty { margin: 0; }
@container (max-width: 30rem) { .row button { width: 100%; } }
`;
