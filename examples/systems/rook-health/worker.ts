/** Attempts what the gateways have taken, beside any number of others. */
import { once } from 'node:events';
import { createGateway } from 'holdfast';
import { configOf } from './config.ts';
import { readingOf } from './transforms.ts';
import { openData } from './users.ts';
import { registerWearables } from './wearables.ts';
import { mistaken, registerNaive } from './wrong.ts';

const data = await openData();
const gateway = createGateway(configOf('worker'));
const mistake = process.env['MISTAKE'];
if (mistake === 'naive') registerNaive(gateway, data);
else registerWearables(gateway, data, mistake === 'transformation' ? mistaken : readingOf);

const { admin } = await gateway.listen();
console.log(`worker: http://127.0.0.1:${admin.port}`);

await once(process, 'SIGTERM');
await gateway.stop();
await data.close();
