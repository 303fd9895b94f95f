/**
 * Verifiers made of verifiers: an address list in front of one, all of several, any of several, and none at all.
 */
import { HoldfastError } from '../errors.ts';
import { inRanges, parseRange } from '../core/cidr.ts';
import type { AddressRange } from '../core/cidr.ts';
import { HELD, refuse } from './verdict.ts';
import type { SourceDefaults, TypedBody, Verdict, Verifier, VerifyRequest, Witness } from './verifier.ts';

/** Options of {@link ipAllowList}. */
export interface IpAllowListOptions {
  /** Addresses and CIDR ranges, IPv4 and IPv6: `['192.0.2.0/24', '2001:db8::1']`. */
  readonly allow: readonly string[];
  /** Type, keys and answers of the source where there is no inner verifier; nothing by default. */
  readonly defaults?: SourceDefaults;
}

/**
 * Takes requests from the given addresses only, and hands them to the inner verifier where there is one. The address
 * is the peer's after trusted proxies (`request.remoteAddress`); a request without one is refused.
 *
 * @example ipAllowList({ allow: ['192.0.2.0/24'] }, hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') }))
 * @throws HoldfastError `config_invalid` when the list is empty or an entry is no address or range
 */
export function ipAllowList<Inner extends Verifier>(options: IpAllowListOptions, inner: Inner): Inner;
export function ipAllowList<Body = unknown>(options: IpAllowListOptions): Verifier & TypedBody<Body>;
export function ipAllowList(options: IpAllowListOptions, inner?: Verifier): Verifier {
  const ranges = readRanges(options.allow);
  const allowed = (request: VerifyRequest): boolean =>
    request.remoteAddress !== undefined && inRanges(request.remoteAddress, ranges);
  if (inner !== undefined) return guard(inner, allowed);
  return {
    name: 'ipAllowList',
    proves: true,
    credentialHeaders: [],
    defaults: options.defaults ?? {},
    notProtected: 'Body, URL and time: anybody behind an allowed address can send anything.',
    verify: (request) => (allowed(request) ? HELD : refuseAddress(request)),
  };
}

/** The inner verifier, asked only for requests from allowed addresses; handshakes too. */
function guard(inner: Verifier, allowed: (request: VerifyRequest) => boolean): Verifier {
  const { handshake } = inner;
  return {
    ...inner,
    name: `ipAllowList(${inner.name})`,
    proves: true,
    verify: (request, now, witness) =>
      allowed(request) ? inner.verify(request, now, witness) : refuseAddress(request),
    ...(handshake !== undefined && {
      handshake: {
        unsigned: handshake.unsigned,
        answer: (request, now) => (allowed(request) ? handshake.answer(request, now) : null),
      },
    }),
    ...(inner.bind !== undefined && {
      bind: (environment, outside) => guard(inner.bind?.(environment, outside) ?? inner, allowed),
    }),
  };
}

/**
 * Takes a request only when every one of the verifiers does, asked in order. Type, keys and answers come from all of
 * them, the first to set one wins; a handshake is answered by the first that has one, once those before it hold.
 *
 * @example all(bearer({ tokens: secret('PARTNER_TOKEN') }), hmac({ header: 'x-signature', secrets: secret('PARTNER_KEY') }))
 * @throws HoldfastError `config_invalid` without verifiers
 */
export function all(...verifiers: readonly Verifier[]): Verifier {
  return combine('all', verifiers, (members) => {
    const answering = members.findIndex((member) => member.handshake !== undefined);
    const handshake = members[answering]?.handshake;
    const before = members.slice(0, answering);
    return {
      proves: members.some((member) => member.proves),
      verify: (request, now, witness) => everyFrom(members, 0, { request, now, witness }),
      ...(handshake !== undefined && {
        handshake: {
          unsigned: handshake.unsigned,
          async answer(request, now) {
            const { ok } = await everyFrom(before, 0, { request, now, witness: undefined });
            return ok ? handshake.answer(request, now) : null;
          },
        },
      }),
    };
  });
}

/**
 * Takes a request when any of the verifiers does, for a sender that changes its scheme. The reason shown is that of
 * the last one.
 *
 * @example anyOf(gitlabSigningToken(), gitlabToken())
 * @throws HoldfastError `config_invalid` without verifiers, or when one of them proves nothing
 */
export function anyOf(...verifiers: readonly Verifier[]): Verifier {
  if (verifiers.some((member) => !member.proves)) {
    throw new HoldfastError('config_invalid', { detail: 'anyOf() with none() would take every request.' });
  }
  return combine('anyOf', verifiers, (members) => {
    const { handshake } = members.find((member) => member.handshake !== undefined) ?? {};
    return {
      proves: true,
      verify: (request, now, witness) => anyFrom(members, 0, { request, now, witness }),
      ...(handshake !== undefined && { handshake }),
    };
  });
}

/**
 * Takes every request and proves nothing. It has to be written out, and is shown as such wherever the source is.
 *
 * @example demo: { verify: none() }
 */
export function none<Body = unknown>(defaults: SourceDefaults = {}): Verifier & TypedBody<Body> {
  return {
    name: 'none',
    proves: false,
    credentialHeaders: [],
    defaults,
    notProtected: 'Anything: nobody knows who sent a request, or whether it is what was sent.',
    verify: () => HELD,
  };
}

interface Asked {
  readonly request: VerifyRequest;
  readonly now: number;
  readonly witness: Witness | undefined;
}

type Combined = Pick<Verifier, 'proves' | 'verify' | 'handshake'>;

/** What is the same for `all` and `anyOf`: everything but the verdict and the handshake. */
function combine(
  name: string,
  members: readonly Verifier[],
  judge: (members: readonly Verifier[]) => Combined,
): Verifier {
  if (members.length === 0) throw new HoldfastError('config_invalid', { detail: `${name}() needs a verifier.` });
  const defaults = members.reduceRight<SourceDefaults>((merged, member) => ({ ...merged, ...member.defaults }), {});
  return {
    name: `${name}(${members.map((member) => member.name).join(', ')})`,
    credentialHeaders: [...new Set(members.flatMap((member) => member.credentialHeaders))],
    credentialParameters: [...new Set(members.flatMap((member) => member.credentialParameters ?? []))],
    ...(members.some((member) => member.credentialInPath === true) && { credentialInPath: true }),
    defaults,
    ...judge(members),
    ...(members.some((member) => member.bind !== undefined) && {
      bind: (environment, outside) =>
        combine(
          name,
          members.map((member) => member.bind?.(environment, outside) ?? member),
          judge,
        ),
    }),
    ...(members.every((member) => member.sign !== undefined) && signAll(members)),
  };
}

function signAll(members: readonly Verifier[]): Pick<Verifier, 'sign' | 'embed'> {
  return {
    async sign(request, now) {
      const lists = [];
      for (const member of members) lists.push((await member.sign?.(request, now)) ?? []);
      return lists.flat();
    },
    embed: (request, now) => members.reduce((whole, member) => member.embed?.(whole, now) ?? whole, request),
  };
}

/** Asks the members from `index` on, without a promise as long as none of them gives one. */
function everyFrom(members: readonly Verifier[], index: number, asked: Asked): Verdict | Promise<Verdict> {
  for (let at = index; at < members.length; at++) {
    const verdict = members[at]?.verify(asked.request, asked.now, asked.witness) ?? HELD;
    if (verdict instanceof Promise) {
      return verdict.then((settled) => (settled.ok ? everyFrom(members, at + 1, asked) : settled));
    }
    if (!verdict.ok) return verdict;
  }
  return HELD;
}

function anyFrom(members: readonly Verifier[], index: number, asked: Asked): Verdict | Promise<Verdict> {
  let last: Verdict = HELD;
  for (let at = index; at < members.length; at++) {
    const verdict = members[at]?.verify(asked.request, asked.now, asked.witness) ?? HELD;
    if (verdict instanceof Promise) {
      return verdict.then((settled) =>
        settled.ok || at + 1 >= members.length ? settled : anyFrom(members, at + 1, asked),
      );
    }
    if (verdict.ok) return verdict;
    last = verdict;
  }
  return last;
}

function readRanges(allow: readonly string[]): readonly AddressRange[] {
  if (allow.length === 0) throw new HoldfastError('config_invalid', { detail: 'ipAllowList() needs an address.' });
  return allow.map((text) => {
    const range = parseRange(text);
    if (range !== null) return range;
    throw new HoldfastError('config_invalid', {
      detail: `ipAllowList: ${text} is neither an address nor a CIDR range.`,
    });
  });
}

function refuseAddress(request: VerifyRequest): Verdict {
  return refuse('address_not_allowed', request.remoteAddress ?? 'the address of the peer is not known');
}
