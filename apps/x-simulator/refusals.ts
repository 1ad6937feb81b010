/** What an endpoint answers. A string or a Buffer goes out as it is, anything else as JSON. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The parts of X's problem body; `type` is the last path segment, none means `about:blank`. */
interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly type?: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Thrown where X says no. */
export class Refusal extends Error {
  readonly reply: (problemHost: string) => Reply;
  constructor(problem: Problem | Reply) {
    super('detail' in problem ? problem.detail : `status ${problem.status}`);
    this.name = 'Refusal';
    this.reply = (problemHost) => ('detail' in problem ? renderProblem(problem, problemHost) : problem);
  }
}

function renderProblem(problem: Problem, problemHost: string): Reply {
  const { status, title, detail, type, extra = {} } = problem;
  const typeUrl = type === undefined ? 'about:blank' : `https://${problemHost}/2/problems/${type}`;
  return {
    status,
    body: { ...extra, title, detail, type: typeUrl, ...('errors' in extra ? {} : { status }) },
    headers: { 'content-type': 'application/problem+json' },
  };
}

/** 400 `Invalid Request` with one message, and the parameters it is about. */
export function invalidRequest(message: string, parameters: Record<string, readonly string[]> = {}): Refusal {
  return invalidRequests([{ message, parameters }]);
}

/** 400 `Invalid Request` with all its messages. */
export function invalidRequests(
  errors: readonly { message: string; parameters: Record<string, readonly string[]> }[],
): Refusal {
  return new Refusal({
    status: 400,
    title: 'Invalid Request',
    detail: 'One or more parameters to your request was invalid.',
    type: 'invalid-request',
    extra: { errors },
  });
}

/** What the media endpoints say of an id they do not know. */
export function mediaNotFound(): Refusal {
  return invalidRequest('BadRequest: Not found');
}

/** 401: no token, an unknown one, an expired one. */
export function unauthorized(): Refusal {
  return new Refusal({ status: 401, title: 'Unauthorized', detail: 'Unauthorized' });
}

/** 403 with X's words; without any, what a missing scope gets. */
export function forbidden(detail = 'Forbidden', extra: Record<string, unknown> = {}): Refusal {
  return new Refusal({ status: 403, title: 'Forbidden', detail, extra });
}

/** 403 for a token that speaks for an app and no user. */
export function unsupportedAuthentication(): Refusal {
  return new Refusal({
    status: 403,
    title: 'Unsupported Authentication',
    detail:
      'Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].',
    type: 'unsupported-authentication',
  });
}

/** 402: the app has no credits left. */
export function creditsDepleted(accountId: string): Refusal {
  return new Refusal({
    status: 402,
    title: 'CreditsDepleted',
    detail: `Your enrolled account [${accountId}] does not have any credits to fulfill this request.`,
    type: 'credits',
    extra: { account_id: accountId },
  });
}

/** X's word for a post or user that is not there; the status is a setting. */
export function notFoundBody(kind: 'tweet' | 'user', id: string, problemHost: string): object {
  return {
    errors: [
      {
        value: id,
        detail: `Could not find ${kind} with id: [${id}].`,
        title: 'Not Found Error',
        resource_type: kind,
        parameter: 'id',
        resource_id: id,
        type: `https://${problemHost}/2/problems/resource-not-found`,
      },
    ],
  };
}

/** An OAuth error as X words them (RFC 6749 5.2). */
export function oauthError(status: number, error: string, description: string): Refusal {
  return new Refusal({
    status,
    body: { error, error_description: description },
    headers: { 'cache-control': 'no-store' },
  });
}
