import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { confirm } from '../confirm.ts';
import { withGateway } from '../connect.ts';
import { onDestination } from '../destination.ts';
import { amount } from '../text.ts';

export const clear = defineCommand({
  name: 'clear',
  summary: 'Makes dead letters of all open deliveries of a destination; they can be replayed.',
  positionals: [{ name: 'DESTINATION', about: 'Its name.' }],
  options: { yes: { type: 'flag', short: 'y', about: 'Does not ask.' }, json: jsonOption, ...gatewayOptions },
  examples: ['holdfast clear crm --yes', 'holdfast replay --destination crm --reason cleared'],
  run: (invocation) =>
    withGateway(invocation, async ({ client }) => {
      const name = invocation.positionals[0] ?? '';
      await confirm(invocation, `Make dead letters of all open deliveries of ${name}?`);
      const { cleared } = await onDestination<{ cleared: number }>(client, name, 'clear');
      if (invocation.options.json) invocation.out.json({ destination: name, cleared });
      else
        invocation.out.line(
          `${amount(cleared, 'dead letter')} made. holdfast replay --destination ${name} --reason cleared brings them back.`,
        );
      return 0;
    }),
});
