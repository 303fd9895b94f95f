import { load, Program, cpuS } from './machine.ts';
const SECRET='bench-secret';
for (let i=0;i<2;i++) for (const [f,a] of [['noop.ts',[]],['holdfast.ts',[process.argv[2]??'memory:',SECRET]]]) {
  const p = await Program.start(f,a); await load(p.port,{seconds:1,secret:SECRET});
  const b=await p.cpuS(); const r=await load(p.port,{seconds:4,secret:SECRET}); const c=await p.cpuS()-b; const f2=await p.ask();
  console.log(f, (r.requests/r.durationUs*1e6).toFixed(0),'/s', (c*1e6/r.requests).toFixed(1),'us', 'p99',r.p99Us, 'err', r.errors, r.non2xx, JSON.stringify(f2));
  p.child.kill('SIGKILL');
}
process.exit(0)
