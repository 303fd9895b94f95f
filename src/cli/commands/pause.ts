import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway } from '../connect.ts';
import { onDestination } from '../destination.ts';

export const pause = defineCommand({
  name: 'pause',
  summary: 'Holds a destination: its deliveries wait, webhooks are accepted as before.',
  positionals: [{ name: 'DESTINATION', about: 'Its name.' }],
  options: { json: jsonOption, ...gatewayOptions },
  examples: ['holdfast pause crm'],
  run: (invocation) =>
    withGateway(invocation, async ({ client }) => {
      const name = invocation.positionals[0] ?? '';
      await onDestination(client, name, 'pause');
      if (invocation.options.json) invocation.out.json({ destination: name, status: 'paused' });
      else invocation.out.line(`${name} is paused; nothing is lost meanwhile. holdfast resume ${name} lets it go on.`);
      return 0;
    }),
});
