import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Agent, buildConnector } from 'undici';
import { isInRanges, isPublicAddress } from './public-address.ts';
import { createSlots } from './slots.ts';

/** One address that a name stands for. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Every address of a name; rejects when there is none. */
export type ResolveName = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** Opens the connection (TLS included) to one of `addresses`, and to nothing else. */
export type OpenConnection = (
  target: buildConnector.Options,
  addresses: readonly ResolvedAddress[],
) => Promise<Socket>;

export interface GuardOptions {
  /** `host:port` as the URL parser spells it: exempt from the public-address rule. */
  readonly trustedHosts: ReadonlySet<string>;
  /** Addresses and CIDR blocks that are refused besides those that are not public. */
  readonly forbiddenAddresses: readonly string[];
  /** The addresses of this machine, asked for at each connection; those of its interfaces unless given. */
  readonly ownAddresses?: (() => readonly string[]) | undefined;
  readonly timeouts: Timeouts;
  readonly resolve?: ResolveName | undefined;
  readonly connect?: OpenConnection | undefined;
}

/**
 * There is no connection: refused by us, refused by the other side, no such name, no route, bad certificate.
 * One error for all, because which of them it was is nobody's business outside (`cause` is for logs).
 */
export class NotConnectedError extends Error {
  constructor(cause: unknown) {
    super('Not connected', { cause });
    this.name = 'NotConnectedError';
  }
}

/** The longest that each step of a request may take, in ms. */
export interface Timeouts {
  readonly resolveMs: number;
  readonly connectMs: number;
  readonly headersMs: number;
  /** Between two pieces of a body. */
  readonly idleMs: number;
}

export const defaultTimeouts: Timeouts = {
  resolveMs: 5_000,
  connectMs: 10_000,
  headersMs: 10_000,
  idleMs: 10_000,
};

// Look-ups occupy threads of libuv's small pool, which files need too.
const lookupSlots = createSlots(2);

/**
 * An undici agent that connects to public addresses only. The judgement sits inside the connection: literals and
 * every address of a name are judged, the connection is pinned to the judged list and judged again once open.
 */
export function createGuardedAgent(options: GuardOptions): Agent {
  const open = options.connect ?? openWithin(options.timeouts.connectMs);
  const connect: buildConnector.connector = (target, callback) => {
    guardedConnect(target, options, open).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(new NotConnectedError(error), null),
    );
  };
  return new Agent({
    connect,
    connections: 8,
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: 16 * 1024,
    headersTimeout: options.timeouts.headersMs,
    bodyTimeout: options.timeouts.idleMs,
    keepAliveTimeout: 2_000,
    keepAliveMaxTimeout: 2_000,
  });
}

async function guardedConnect(
  target: buildConnector.Options,
  options: GuardOptions,
  open: OpenConnection,
): Promise<Socket> {
  const hostname = target.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  const trusted = options.trustedHosts.has(`${target.hostname}:${port}`);
  const ownAddresses = options.ownAddresses ?? interfaceAddresses;
  const mayConnect = (address: string) =>
    trusted ||
    (isPublicAddress(address) && !isInRanges(address, [...ownAddresses(), ...options.forbiddenAddresses]));
  const family = isIP(hostname);
  const addresses = family === 0 ? await resolveWithin(hostname, options) : [{ address: hostname, family }];
  if (addresses.length === 0) throw new Error(`No address for ${hostname}`);
  // One bad address refuses all: a name that mixes public and private ones is up to something.
  for (const { address } of addresses)
    if (!mayConnect(address)) throw new Error(`Forbidden address ${address}`);
  const socket = await open(target, addresses);
  if (mayConnect(socket.remoteAddress ?? '')) return socket;
  socket.destroy();
  throw new Error(`Connected to forbidden address ${socket.remoteAddress}`);
}

async function resolveBySystem(hostname: string): Promise<readonly ResolvedAddress[]> {
  using _slot = await lookupSlots.take();
  return await systemLookup(hostname, { all: true });
}

async function resolveWithin(
  hostname: string,
  { resolve = resolveBySystem, timeouts }: GuardOptions,
): Promise<readonly ResolvedAddress[]> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`No answer for ${hostname}`)), timeouts.resolveMs);
  try {
    return await Promise.race([resolve(hostname), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function openWithin(timeoutMs: number): OpenConnection {
  return (target, addresses) => {
    // `lookup` is asked for names only; a literal was judged before and is its own answer.
    const connector = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: pinnedLookup(addresses) });
    return new Promise((resolve, reject) => {
      connector(target, (error, socket) => (socket ? resolve(socket) : reject(error)));
    });
  };
}

/** A look-up that knows the judged addresses and nothing else; Node asks for one or for all. */
export function pinnedLookup(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all) return callback(null, [...addresses]);
    const first = addresses[0];
    if (first) callback(null, first.address, first.family);
    else callback(new Error('No address'), '', 0);
  };
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).map((entry) => entry.address.replace(/%.*$/, '')),
  );
}
