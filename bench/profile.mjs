import { load } from './machine.ts'; import { fork } from 'node:child_process'; import { once } from 'node:events'; import { readFileSync, readdirSync, rmSync } from 'node:fs';
rmSync('/tmp/prof',{recursive:true,force:true});
const c=fork(new URL('./programs/holdfast.ts',import.meta.url),[process.argv[2]??'memory:','bench-secret'],{execArgv:['--conditions=holdfast-source','--cpu-prof','--cpu-prof-dir=/tmp/prof','--cpu-prof-interval=200']});
const [{port}]=await once(c,'message'); await load(port,{seconds:1,secret:'bench-secret'}); const r=await load(port,{seconds:4,secret:'bench-secret'}); console.log((r.requests/r.durationUs*1e6).toFixed(0));
c.send('stop'); await once(c,'exit');
for (const f of readdirSync('/tmp/prof')) { const p=JSON.parse(readFileSync('/tmp/prof/'+f)); const self=new Map(); const dt=p.timeDeltas; const byId=new Map(p.nodes.map(n=>[n.id,n])); let tot=0;
 p.samples.forEach((s,i)=>{const n=byId.get(s); const k=n.callFrame.functionName+' '+n.callFrame.url.split('/').slice(-2).join('/')+':'+n.callFrame.lineNumber; self.set(k,(self.get(k)??0)+dt[i]); tot+=dt[i];});
 console.log(f,(tot/1e6).toFixed(1)); for (const [k,v] of [...self].sort((a,b)=>b[1]-a[1]).slice(0,45)) console.log((v/tot*100).toFixed(1)+'%',k); }
