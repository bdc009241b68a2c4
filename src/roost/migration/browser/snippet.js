/** One line for the console of an app's page: it downloads the page's export, and changes nothing. */
export const snippet = '(()=>{const s=localStorage,n=Array.from({length:s.length},(_,i)=>s.key(i)),' +
  'a=document.createElement("a");a.href=URL.createObjectURL(new Blob([JSON.stringify({' +
  'origin:location.origin,capturedAt:new Date().toISOString(),' +
  'keys:Object.fromEntries(n.map(k=>[k,s.getItem(k)]))})],{type:"application/json"}));' +
  'a.download="roost-export.json";a.click()})()';
