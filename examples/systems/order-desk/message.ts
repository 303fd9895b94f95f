/** What an order bot posts, and the orders in it. Bots write the same facts in two ways; both are read. */
import { Reject } from 'holdfast';
import { z } from 'zod';

const text = z.string().max(6000);

const field = z.object({ name: text, value: text });
const embed = z.object({
  description: text.nullish(),
  author: z.object({ name: text.nullish() }).nullish(),
  fields: z.array(field).max(25).nullish(),
});

/** A Discord message, as far as it matters here. Bounds are Discord's own. */
export const message = z.object({ content: text.nullish(), embeds: z.array(embed).max(10).nullish() });
export type Message = z.infer<typeof message>;

const order = z.object({
  number: z.string('has no order number').max(100),
  product: z.string('has no product').max(500),
  price: z.string('has no price').max(50).regex(/\d/, 'has a price without a number'),
  email: z.email('has an email that is none').max(254).nullable(),
  store: z.string().max(200).nullable(),
});
export type Order = z.infer<typeof order>;

type Fact = keyof Order | 'reason';

/** The labels that bots use, without punctuation. */
const LABELS: Readonly<Record<Fact, RegExp>> = {
  number: /^order( number| id)?$/i,
  product: /^(product|item)$/i,
  price: /^(price|total)$/i,
  email: /^email$/i,
  store: /^(site|store)$/i,
  reason: /^reason$/i,
};
const FACTS = Object.keys(LABELS) as Fact[];

/**
 * The orders in a message; none where it tells of something else, such as a declined payment.
 * @throws Reject saying what is missing of an order: no other attempt would find it
 */
export function ordersOf({ embeds }: Message): readonly Order[] {
  return (embeds ?? []).flatMap((one) => {
    const { number, product, price, email, store, reason } = factsOf(one);
    if (reason !== undefined || (number === undefined && product === undefined)) return [];
    const author = plain(one.author?.name ?? '');
    const read = order.safeParse({ number, product, price, email: email ?? null, store: store ?? author ?? null });
    if (read.success) return [read.data];
    const wrong = read.error.issues.map((issue) => issue.message).join(', ');
    throw new Reject(`Order ${number ?? `of ${product}`} ${wrong}.`);
  });
}

function factsOf({ description, fields }: z.infer<typeof embed>): Partial<Record<Fact, string | undefined>> {
  const lines = (description ?? '').split('\n').filter((line) => plain(line) !== undefined);
  const pairs = lines.map((name, at) => ({ name, value: lines[at + 1] ?? '' }));
  // A label whose value was left out is followed by the next label.
  const described = pairs.filter(({ value }) => factOf(value) === undefined);
  const facts: Partial<Record<Fact, string | undefined>> = {};
  for (const { name, value } of [...(fields ?? []), ...described]) {
    const fact = factOf(name);
    if (fact !== undefined) facts[fact] ??= plain(value);
  }
  return facts;
}

function factOf(label: string): Fact | undefined {
  const name = label.replaceAll(/[^a-z ]/gi, '').trim();
  return FACTS.find((fact) => LABELS[fact].test(name));
}

/** Text without Discord's marks: **bold**, ||spoiler||, [link](…); `undefined` where nothing is left, or `N/A`. */
function plain(marked: string): string | undefined {
  const [, link] = /^\[([^\]]+)\]\([^)]*\)$/.exec(marked.trim()) ?? [];
  const bare = (link ?? marked).replaceAll(/\*\*|\|\||`/g, '').trim();
  return bare === '' || bare.toUpperCase() === 'N/A' ? undefined : bare;
}
