import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway } from '../connect.ts';
import { onDestination } from '../destination.ts';

export const resume = defineCommand({
  name: 'resume',
  summary: 'Lets a paused destination go on with what it is owed.',
  positionals: [{ name: 'DESTINATION', about: 'Its name.' }],
  options: { json: jsonOption, ...gatewayOptions },
  examples: ['holdfast resume crm'],
  run: (invocation) =>
    withGateway(invocation, async ({ client }) => {
      const name = invocation.positionals[0] ?? '';
      await onDestination(client, name, 'resume');
      if (invocation.options.json) invocation.out.json({ destination: name, status: 'running' });
      else invocation.out.line(`${name} goes on.`);
      return 0;
    }),
});
