import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate, type Gate, type Ticket } from './gate.ts';
import { createClock, StrictX, type XAnswer, type XHabits, type XWindow } from './gate.world.ts';

/** More of them with GATE_RUNS=2000. */
const runs = process.env.GATE_RUNS ? { numRuns: Number(process.env.GATE_RUNS) } : { numRuns: 40, seed: 46 };
const second = 1000;
const minute = 60 * second;
const day = 24 * 60 * minute;

// What is on disk does not matter here, and thousands of writes come faster without.
const { redis: connection } = await useOwnRedis({ args: ['--appendonly', 'no'] });
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const accounts = ['7', '8'] as const;
type Account = (typeof accounts)[number];

type Step =
  | { readonly kind: 'ask'; readonly worker: number; readonly account: Account }
  /** Of the calls on their way, or the answers, the one at this place: it arrives, is learned, given back, lost. */
  | { readonly kind: 'arrive' | 'learn' | 'putBack' | 'die'; readonly at: number }
  /** Several calls are asked for at once. */
  | { readonly kind: 'lot'; readonly worker: number; readonly account: Account; readonly most: number }
  | { readonly kind: 'whole'; readonly worker: number; readonly account: Account }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'elsewhere'; readonly account: Account; readonly calls: number }
  | { readonly kind: 'turn'; readonly state: StrictX['state'] };

const worker = fc.nat(2);
const account = fc.constantFrom(...accounts);
const at = fc.nat(9);
const usual: fc.WeightedArbitrary<Step>[] = [
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('ask' as const), worker, account }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('whole' as const), worker, account }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('arrive' as const), at }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('learn' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('putBack' as const), at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 20 * second }), fc.integer({ min: 1, max: 20 * minute })),
    }),
  },
];
const most = fc.integer({ min: 2, max: 5 });
usual.push({ weight: 2, arbitrary: fc.record({ kind: fc.constant('lot' as const), worker, account, most }) });
const unusual: fc.WeightedArbitrary<Step>[] = [
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('elsewhere' as const),
      account,
      calls: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('turn' as const),
      state: fc.constantFrom('fine', 'down', 'silent', 'unpaid'),
    }),
  },
];
const steps = (...from: fc.WeightedArbitrary<Step>[]) =>
  fc.array(fc.oneof(...from), { maxLength: 60, size: 'max' });

const limits = fc.record({
  user: fc.integer({ min: 2, max: 8 }),
  user_24h: fc.option(fc.integer({ min: 3, max: 15 })),
  app_24h: fc.option(fc.integer({ min: 4, max: 20 })),
});
const aheadMs = fc.constantFrom(0, 300, 90 * second, -4 * minute);
const frank: fc.Arbitrary<XHabits> = fc.record({
  limits,
  tells: fc.constant('all' as const),
  refusalTells: fc.constant('truth' as const),
  aheadMs,
});
const anyHabits: fc.Arbitrary<XHabits> = fc.record({
  limits,
  tells: fc.constantFrom('all', 'short', 'nothing'),
  refusalTells: fc.constantFrom('truth', 'nothing', 'past', 'far'),
  aheadMs,
});

/** A call that was let through and has not arrived. */
interface Call {
  readonly account: Account;
  readonly worker: number;
  readonly knew: readonly XWindow[];
  readonly ticket: Ticket;
}

/** Three processes that share the gates of two accounts, each with a clock of its own, and an X that is strict. */
async function createWorld(habits: XHabits) {
  await connection.flushall();
  const { redis, now, pass } = createClock(connection, 1_800_000_000_456);
  const gates = [0, 1, 2].map(() => createGate({ redis, random: () => 0 }));
  const x = new StrictX(habits, now);
  const calls: Call[] = [];
  const answers: (XAnswer & { readonly call: Call })[] = [];
  const clocks = [0, 20 * second, -20 * second];
  /** What a process does goes by its clock. */
  async function as<T>(index: number, act: (gate: Gate, ownNow: number) => Promise<T>): Promise<T> {
    const ownNow = now() + (clocks[index] ?? 0);
    vi.setSystemTime(ownNow);
    return await act(gates[index] ?? createGate({ redis }), ownNow);
  }

  const world = {
    x,
    now,
    calls,
    answers,
    pass,
    async ask(index: number, name: Account, wanted = 1) {
      const passage = await as(index, (gate) => gate.takeSome(name, 'create_tweet', wanted));
      if (passage.open) {
        expect(passage.calls).toSatisfy((count: number) => count >= 1 && count <= wanted);
        const knew = x.windowsOf(name).filter((window) => window.isTold);
        for (let count = 0; count < passage.calls; count++)
          calls.push({ account: name, worker: index, knew, ticket: passage.ticket });
      } else {
        expect(passage.waitMs).toBe(passage.until - now());
        expect(passage.waitMs).toSatisfy((ms: number) => ms > 0 && ms <= day + minute);
      }
      return passage;
    },
    arrive(index: number) {
      const [call] = calls.splice(index, 1);
      if (call) answers.push({ ...x.receive(call.account, call.knew), call });
    },
    async learn(index: number) {
      const [answer] = answers.splice(index, 1);
      if (!answer) return;
      const { account: name, worker: asker } = answer.call;
      const lateMs = now() - answer.exchange.at;
      await as(asker, (gate, ownNow) => gate.learn(name, { ...answer.exchange, at: ownNow - lateMs }));
      for (const window of answer.windows) window.isTold = true;
    },
    async putBack(index: number) {
      const [call] = calls.splice(index, 1);
      if (call) await as(call.worker, (gate) => gate.putBack(call.account, 'create_tweet', call.ticket));
    },
    die(index: number) {
      const [call] = calls.splice(index, 1);
      if (call) for (const window of x.windowsOf(call.account)) window.lost += 1;
    },
    async whole(index: number, name: Account) {
      const passage = await world.ask(index, name);
      if (!passage.open) return passage;
      world.arrive(calls.length - 1);
      await world.learn(answers.length - 1);
      return passage;
    },
    async play(step: Step) {
      switch (step.kind) {
        case 'ask':
          return void (await world.ask(step.worker, step.account));
        case 'lot':
          return void (await world.ask(step.worker, step.account, step.most));
        case 'whole':
          return void (await world.whole(step.worker, step.account));
        case 'arrive':
          return world.arrive(step.at % Math.max(1, calls.length));
        case 'learn':
          return await world.learn(step.at % Math.max(1, answers.length));
        case 'putBack':
          return await world.putBack(step.at % Math.max(1, calls.length));
        case 'die':
          return world.die(step.at % Math.max(1, calls.length));
        case 'pass':
          return await pass(step.ms);
        case 'elsewhere':
          return x.useElsewhere(step.account, step.calls);
        case 'turn':
          x.state = step.state;
      }
    },
  };
  return world;
}

it('no more calls are let through than X allows, whichever process asks; but for those made before X said anything', async () => {
  await fc.assert(
    fc.asyncProperty(frank, steps(...usual), async (habits, played) => {
      const world = await createWorld(habits);
      for (const step of played) {
        await world.play(step);
        for (const { scope, refused, blind } of world.x.all)
          expect(refused, `refused by ${scope}`).toBeLessThanOrEqual(blind);
      }
    }),
    runs,
  );
});

it('a call is held back only when X would refuse it, counting those on their way; what was given back is usable', async () => {
  await fc.assert(
    fc.asyncProperty(frank, steps(...usual), async (habits, played) => {
      const world = await createWorld(habits);
      for (const step of played) {
        if (step.kind !== 'ask') {
          await world.play(step);
          continue;
        }
        const passage = await world.ask(step.worker, step.account);
        if (passage.open) continue;
        const onTheirWay = world.calls.filter(
          (call) => call.account === step.account || habits.limits.app_24h !== null,
        ).length;
        const room = world.x
          .windowsOf(step.account)
          .map((window) => window.limit - window.used - window.lost);
        // X's clock has whole seconds: a window may be taken for open up to a second too late.
        const justOver = world.x.all.some(({ resetAt }) => Math.abs(world.now() - resetAt) <= second);
        // After a refusal of the window before, the first call is a probe.
        const isProbed = passage.waitMs <= 10 * second && world.x.all.some(({ refused }) => refused > 0);
        const wasRefused = world.x.windowsOf(step.account).some((window) => window.refused > 0);
        expect(justOver || wasRefused || isProbed || Math.min(...room) - onTheirWay <= 0).toBe(true);
      }
    }),
    runs,
  );
});

it('whatever happened, after the latest reset and one answered probe the gate is open', async () => {
  await fc.assert(
    fc.asyncProperty(anyHabits, steps(...usual, ...unusual), async (habits, played) => {
      const world = await createWorld(habits);
      for (const step of played) await world.play(step);
      world.x.state = 'fine';
      // Half of those who are on their way die; the others hear of it.
      while (world.calls.length > 0) {
        world.die(0);
        world.arrive(0);
      }
      while (world.answers.length > 0) await world.learn(0);
      for (const name of accounts) {
        const latest = Math.max(...world.x.windowsOf(name).map(({ resetAt }) => resetAt));
        await world.pass(latest - world.now() + 2 * second);
        const since = world.now();
        for (let passage = await world.whole(0, name); !passage.open; passage = await world.whole(0, name))
          await world.pass(passage.waitMs);
        expect(world.now() - since).toBeLessThanOrEqual(15 * minute + 10 * second);
        const both = [await world.ask(0, name), await world.ask(1, name)];
        // At least two calls fit into every window.
        if (Math.min(...world.x.windowsOf(name).map(({ limit, used }) => limit - used)) >= 2)
          expect(both.map(({ open }) => open)).toEqual([true, true]);
        world.calls.length = 0;
      }
    }),
    runs,
  );
});
