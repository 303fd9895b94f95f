/** The least a server can do: read the body, answer 200. Everything else is measured against it. */
import { createServer } from 'node:http';
import { serve } from './serve.ts';

const server = createServer((request, response) => {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => (bytes += chunk.length));
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 11 });
    response.end('{"ok":true}');
  });
});

serve(server, { processed: () => 0 });
