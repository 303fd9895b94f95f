/** Holdfast in a Next.js application: what the route file holds, called here as Next.js would call it. */
import { makeGateway } from './gateway.ts';
import { orderRequest, told } from './sender.ts';

// #region mount
// app/api/hooks/[...path]/route.ts, which imports makeGateway
const gateway = makeGateway();

export const { GET, POST } = gateway.routes({ basePath: '/api/hooks' });
// #endregion

await told('webhook', await POST(orderRequest('http://localhost/api/hooks/in/orders', 'ord_1')));
await told('no source', await GET(new Request('http://localhost/api/hooks/in/elsewhere')));

await gateway.stop({ drain: true });
