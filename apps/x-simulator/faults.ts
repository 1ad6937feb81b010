import { at, type Fault, type Point, together } from './fault.ts';
import type { RequestRecord } from './requests.ts';

interface Rule {
  readonly id: string;
  readonly endpoint: string;
  readonly fault: Fault;
  readonly when: (request: RequestRecord) => boolean;
  /** Requests to let pass first, and how many to hit after them. */
  skip: number;
  times: number;
}

/** Which requests a fault is for. */
export interface Aim {
  /** 1, the default: the next request to the endpoint from now on; 3: the third. */
  readonly nth?: number;
  /** How many from there on; `Infinity` for all. */
  readonly times?: number;
  /** What is known on arrival: endpoint, query, headers, user. */
  readonly when?: (request: RequestRecord) => boolean;
}

/** A request that is kept at a point until it is let go. */
export interface Hold {
  readonly id: string;
  /** Resolves when the request is there. */
  readonly reached: Promise<RequestRecord>;
  /** Lets it go on; later requests of the same rule too. */
  release(): void;
}

/**
 * The script of what goes wrong. An endpoint is named as in the request log, such as `POST /2/tweets` or
 * `POST /2/media/upload/:id/append`; `*` means every one. Rules count from the moment they are set.
 */
export class Faults {
  #rules: Rule[] = [];
  readonly #holds = new Map<string, Hold>();
  #lastId = 0;

  /** Plays a fault on the requests of an endpoint that `aim` says; returns the id of the rule. */
  add(endpoint: string, fault: Fault, aim: Aim = {}): string {
    const { nth = 1, times = 1, when = () => true } = aim;
    const id = this.#nextId();
    this.#rules.push({ id, endpoint, fault, when, skip: nth - 1, times });
    return id;
  }

  /** The next request to the endpoint. */
  next(endpoint: string, fault: Fault): string {
    return this.add(endpoint, fault);
  }

  /** The nth request to the endpoint from now on. */
  nth(endpoint: string, nth: number, fault: Fault): string {
    return this.add(endpoint, fault, { nth });
  }

  /** Every request to the endpoint, until it is removed. */
  always(endpoint: string, fault: Fault): string {
    return this.add(endpoint, fault, { times: Number.POSITIVE_INFINITY });
  }

  /** Keeps a request at a point until it is released: the moment to kill a client or to look around. */
  hold(endpoint: string, point: Point, aim: Aim = {}, fault: Fault = {}): Hold {
    const arrival = Promise.withResolvers<RequestRecord>();
    const release = Promise.withResolvers<void>();
    const wait = at(point, (request) => {
      arrival.resolve(request);
      return release.promise;
    });
    const id = this.add(endpoint, together(fault, wait), aim);
    const hold = { id, reached: arrival.promise, release: () => release.resolve() };
    this.#holds.set(id, hold);
    return hold;
  }

  findHold(id: string): Hold | null {
    return this.#holds.get(id) ?? null;
  }

  /** Takes a rule back; what it holds goes on. */
  remove(id: string): void {
    this.#rules = this.#rules.filter((rule) => rule.id !== id);
    this.#holds.get(id)?.release();
    this.#holds.delete(id);
  }

  /** Takes all rules back. */
  clear(): void {
    for (const hold of this.#holds.values()) hold.release();
    this.#holds.clear();
    this.#rules = [];
  }

  /** The rules that still have something to do. */
  get pending(): readonly { id: string; endpoint: string; skip: number; times: number }[] {
    return this.#rules.map(({ id, endpoint, skip, times }) => ({ id, endpoint, skip, times }));
  }

  /** Counts an arriving request in every rule for its endpoint; what applies to it comes back as one fault. */
  take(request: RequestRecord): Fault | null {
    const due: Fault[] = [];
    for (const rule of this.#rules) {
      const fits = rule.endpoint === '*' || rule.endpoint === request.endpoint;
      if (!fits || !rule.when(request)) continue;
      if (rule.skip > 0) rule.skip -= 1;
      else {
        rule.times -= 1;
        due.push(rule.fault);
      }
    }
    this.#rules = this.#rules.filter((rule) => rule.times > 0);
    return due.length === 0 ? null : together(...due);
  }

  #nextId(): string {
    this.#lastId += 1;
    return `fault-${this.#lastId}`;
  }
}
