/** What a person does to one destination. */
import { didYouMean } from '../core/suggest.ts';
import { HoldfastError } from '../errors.ts';
import type { Client } from './client.ts';

/** @throws HoldfastError destination_unknown, with the name that was probably meant */
export async function onDestination<Answer>(
  client: Client,
  name: string,
  action: 'pause' | 'resume' | 'clear',
): Promise<Answer> {
  try {
    return await client.post<Answer>(`/api/queues/${encodeURIComponent(name)}/${action}`);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'destination_unknown') throw error;
    const { destinations } = await client.get<{ destinations: { name: string }[] }>('/api/queues/info');
    const names = destinations.map((destination) => destination.name);
    throw new HoldfastError('destination_unknown', {
      detail: `'${name}'.${didYouMean(name, names)} There are: ${names.join(', ') || 'none'}.`,
    });
  }
}
