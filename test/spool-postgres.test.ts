import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';
import { handledOnce, Senders, SpoolingProcess } from './spool-load.ts';
import { spoolFolder } from './spool-world.ts';
import { TcpProxy } from './tcp-proxy.ts';

const TOKEN = { authorization: 'Bearer test-token-of-some-length' };

describe('a spool before PostgreSQL', () => {
  const here = postgresHere();

  testNeeding(
    [postgres],
    'what was acknowledged ends, once and in order, while server and gateway are killed at every stage',
    async (t) => {
      const { server, worlds } = here();
      const folder = spoolFolder();
      const proxy = await TcpProxy.start(Number(new URL(server.url).port));
      const through = new URL(server.url);
      through.port = String(proxy.port);
      const options = { store: through.href, spool: folder.path, handled: join(dirname(folder.path), 'handled') };
      writeFileSync(options.handled, '');
      const senders = new Senders(40);
      let gateway = new SpoolingProcess(options);
      t.after(async () => {
        await gateway.kill();
        await senders.stop();
        await proxy.close();
        folder.remove();
      });
      const restart = async (): Promise<void> => {
        await gateway.kill();
        gateway = new SpoolingProcess(options);
        senders.url = await gateway.url();
      };
      // Asked, not heard: a process that finds nothing in the spool does not say that it has emptied it.
      const emptied = async (): Promise<void> => {
        for (;;) {
          const response = await fetch(`${senders.url}/api/spool`, { headers: TOKEN });
          const { events, mode } = (await response.json()) as { readonly events: number; readonly mode: string };
          if (events === 0 && mode === 'idle') return;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      senders.url = await gateway.url();
      await senders.more(100);
      await server.kill();
      await senders.more(300); // Spooled.
      await restart();
      await senders.more(300); // Spooled by a gateway that has never seen its store.
      await server.start();
      proxy.cut();
      await gateway.until(/moving the spool/);
      await restart(); // In the middle of it.
      await emptied();
      await senders.more(100);
      // A commit that got there, and whose reply did not.
      const lost = proxy.loseReplies();
      await lost;
      await senders.more(100);
      proxy.heal();
      await senders.more(200);
      await senders.stop();
      const { acknowledged, url } = senders;
      await emptied();
      const open = async (): Promise<unknown> => {
        const { destinations } = (await (await fetch(`${url}/api/queues/stats`, { headers: TOKEN })).json()) as {
          readonly destinations: readonly { readonly size: number }[];
        };
        return destinations[0]?.size;
      };
      while ((await open()) !== 0) await new Promise((resolve) => setTimeout(resolve, 100));
      const handled = handledOnce(options.handled);
      for (const { order, number } of acknowledged)
        assert.ok(handled.get(order)?.includes(number), `${order} ${number}`);
      for (const [order, numbers] of handled) {
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          `${order} in the order of arrival`,
        );
      }
      const sql = `SELECT dedupe_key, count(*) FROM holdfast.event WHERE duplicate_of IS NULL GROUP BY 1 HAVING count(*) > 1`;
      assert.deepEqual(await worlds.query(sql), [], 'once per dedupe key');
      const lookUp = async ({ id }: { readonly id: string }): Promise<void> => {
        const response = await fetch(`${url}/api/events/${id}`, { headers: TOKEN });
        await response.body?.cancel();
        assert.equal(response.status, 200, `${id} can be looked up`);
      };
      for (let at = 0; at < acknowledged.length; at += 20)
        await Promise.all(acknowledged.slice(at, at + 20).map(lookUp));
      t.diagnostic(`${acknowledged.length} acknowledged`);
    },
  );
});
