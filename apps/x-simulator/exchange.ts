import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Middleware } from 'koa';
import { writeAnswer } from './answer.ts';
import { type Call, type Endpoint, matchEndpoint } from './endpoints.ts';
import { describeFault, type Fault, type Point } from './fault.ts';
import type { Faults } from './faults.ts';
import { bearerOf, refuse, serveUser } from './guard.ts';
import { Refusal, type Reply } from './refusals.ts';
import { type RequestRecord, recordBody } from './requests.ts';
import type { State } from './state.ts';
import { closed, isDisconnect, waitMs } from './wait.ts';

const mebibyte = 1024 * 1024;

/** Serves X's endpoints: each request is logged, counted, and spoilt as the faults say. Others pass. */
export function serveX(state: State, faults: Faults, endpoints: readonly Endpoint[]): Middleware {
  return async (context, next) => {
    if (!/^\/(2|i)\//.test(context.path)) return next();
    const match = matchEndpoint(endpoints, context.method, context.path);
    context.respond = false;
    const endpoint = match === null || match === 'method' ? unknownEndpoint(match) : match.endpoint;
    const parameters = match === null || match === 'method' ? {} : match.parameters;
    const record = begin(
      state,
      context.req,
      endpoint.key === '' ? `${context.method} ${context.path}` : endpoint.key,
    );
    const fault = faults.take(record);
    record.fault = fault && describeFault(fault);
    const run = new Exchange(state, record, fault ?? {}, context.req, context.res);
    const call = { parameters, query: new URLSearchParams(record.query), headers: context.headers, record };
    await run.play(endpoint, call);
  };
}

function unknownEndpoint(match: 'method' | null): Endpoint {
  const [status, title] = match === 'method' ? [405, 'Method Not Allowed'] : [404, 'Not Found'];
  return {
    key: '',
    handle: () => {
      throw new Refusal({ status, title, detail: title });
    },
  };
}

function begin(state: State, request: IncomingMessage, endpoint: string): RequestRecord {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const owner = state.grants.ownerOf(bearerOf(request.headers.authorization) ?? '');
  const record: RequestRecord = {
    number: (state.requests.all.at(-1)?.number ?? 0) + 1,
    receivedAt: state.settings.now(),
    method: request.method ?? '',
    path,
    query,
    endpoint,
    headers: request.headers,
    userId: owner?.userId ?? null,
    clientId: owner?.clientId ?? null,
    bodyBytes: 0,
    bodySha256: null,
    bodyText: null,
    phase: 'received',
    status: null,
    durationMs: null,
    fault: null,
  };
  state.requests.add(record);
  return record;
}

/** One request on its way through reading, acting and answering. */
class Exchange {
  readonly #state: State;
  readonly #record: RequestRecord;
  readonly #fault: Fault;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  /** Kept here: a destroyed request no longer knows its socket. */
  readonly #socket: Socket;

  constructor(
    state: State,
    record: RequestRecord,
    fault: Fault,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#state = state;
    this.#record = record;
    this.#fault = fault;
    this.#request = request;
    this.#response = response;
    this.#socket = request.socket;
  }

  async play(endpoint: Endpoint, call: Omit<Call, 'body'>): Promise<void> {
    const startedAt = performance.now();
    const isAnswered = await this.#steps(endpoint, call).catch((error: unknown) => this.#note(error));
    if (!isAnswered && this.#record.phase !== 'cut') this.#socket.destroySoon();
    this.#record.durationMs = Math.round(performance.now() - startedAt);
    this.#enter(isAnswered ? 'answered' : 'cut');
  }

  async #steps(endpoint: Endpoint, call: Omit<Call, 'body'>): Promise<boolean> {
    const fault = this.#fault;
    if (fault.delayMs !== undefined) await waitMs(fault.delayMs, this.#response);
    await this.#at('received');
    if (fault.cut === 'received') return this.#reset();
    const body = await this.#read(endpoint.maxBodyBytes?.() ?? mebibyte);
    if (body === 'cut') return this.#reset();
    if (body !== 'too large') recordBody(this.#record, body);
    this.#enter('read');
    await this.#at('read');
    if (fault.cut === 'read') return this.#reset();
    const reply = body === 'too large' ? { status: 413 } : await this.#act(endpoint, { ...call, body });
    this.#record.status = reply.status;
    this.#enter('acted');
    await this.#at('committed');
    if (fault.cut === 'committed') return this.#reset();
    const atHalf = fault.hooks?.['half-answered'] ? () => this.#at('half-answered') : undefined;
    return writeAnswer(this.#response, reply, { fault, now: this.#state.settings.now(), atHalf });
  }

  /** The whole body; `too large` is read to its end all the same, so that the answer arrives. */
  async #read(maxBytes: number): Promise<Buffer | 'too large' | 'cut'> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.#request) {
      if (this.#fault.cut === 'reading') {
        this.#socket.resetAndDestroy();
        return 'cut';
      }
      length += chunk.length;
      if (length > 64 * mebibyte) return 'cut';
      if (length <= maxBytes) chunks.push(chunk);
      else chunks.length = 0;
    }
    if (this.#fault.cut === 'reading') return 'cut';
    return length > maxBytes ? 'too large' : Buffer.concat(chunks);
  }

  async #act(endpoint: Endpoint, call: Call): Promise<Reply> {
    const { answer, acts } = this.#fault;
    if (answer && !acts) return answer;
    const reply = await this.#handle(endpoint, call);
    return answer ?? reply;
  }

  async #handle(endpoint: Endpoint, call: Call): Promise<Reply> {
    try {
      const reply = await this.#ask(endpoint, call);
      // What was answered is kept, whatever happens to this process then.
      await this.#state.saved();
      return reply;
    } catch (error) {
      this.#state.bugs.push(error instanceof Error ? error : new Error(String(error)));
      return {
        status: 500,
        body: {
          title: 'Internal Server Error',
          detail: 'Internal Server Error',
          type: 'about:blank',
          status: 500,
        },
      };
    }
  }

  async #ask(endpoint: Endpoint, call: Call): Promise<Reply> {
    try {
      return 'scopes' in endpoint
        ? await serveUser(this.#state, endpoint, call)
        : await endpoint.handle(call);
    } catch (error) {
      return refuse(this.#state, error);
    }
  }

  async #at(point: Point): Promise<void> {
    const hook = this.#fault.hooks?.[point];
    if (hook) await Promise.race([hook(this.#record), closed(this.#response)]);
  }

  /** A client that goes away is no bug; whatever else breaks an exchange is one. */
  #note(error: unknown): false {
    if (!isDisconnect(error))
      this.#state.bugs.push(error instanceof Error ? error : new Error(String(error)));
    return false;
  }

  #reset(): boolean {
    this.#enter('cut');
    this.#socket.resetAndDestroy();
    return false;
  }

  #enter(phase: RequestRecord['phase']): void {
    this.#record.phase = phase;
    this.#state.requests.changed(this.#record);
  }
}
