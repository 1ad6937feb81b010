import { describe, expect, it } from 'vitest';
import { type XAnswer, XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import { judgeCreate } from './verdict.ts';

const answer = (given: Partial<XAnswer>) =>
  judgeCreate({
    error: new XAnswerError({
      status: 500,
      title: '',
      detail: '',
      type: '',
      code: null,
      oauthError: null,
      messages: [],
      rateLimits: [],
      retryAfterMs: null,
      date: null,
      transactionId: null,
      ...given,
    }),
  });

describe('what came of creating a post:', () => {
  it('an answer with an id is a post with this id', () => {
    expect(judgeCreate({ id: '12' })).toEqual({ kind: 'created', tweetId: '12' });
  });

  it('success without an id is a post that must never be sent again', () => {
    expect(judgeCreate({ id: null })).toEqual({ kind: 'created_no_id' });
  });

  it('only a failure before the first byte left proves that nothing was sent', () => {
    const failure = (sent: boolean) => judgeCreate({ error: new XUnreachableError('gone', { sent }) }).kind;
    expect(failure(false)).toBe('not_sent');
    expect(failure(true)).toBe('unknown');
  });

  it('a bug in the middle of it proves nothing', () => {
    expect(judgeCreate({ error: new TypeError('a bug') }).kind).toBe('unknown');
    expect(judgeCreate({ error: undefined }).kind).toBe('unknown');
  });

  it.each([408, 500, 502, 503, 504, 520, 522, 524, 599])('status %i says nothing', (status) => {
    expect(answer({ status }).kind).toBe('unknown');
  });

  it.each([400, 403, 404, 409, 410, 413, 415, 422, 451])('status %i is a refusal for good', (status) => {
    expect(answer({ status, detail: 'Because.' })).toMatchObject({
      kind: 'rejected',
      detail: 'X refused the post: Because.',
      cure: null,
    });
  });

  it.each([301, 302, 303, 307, 308])('a redirect (%i) is never followed', (status) => {
    expect(answer({ status })).toMatchObject({ kind: 'rejected', code: 'x_misconfigured' });
  });

  it('tells a stale token, missing credits and a limit apart', () => {
    expect([401, 402, 429].map((status) => answer({ status }).kind)).toEqual(['token', 'credits', 'limited']);
  });

  it('a refusal as duplicate content may be about our own post', () => {
    const detail = 'You are not allowed to create a Tweet with duplicate content.';
    expect(answer({ status: 403, detail }).kind).toBe('duplicate');
    expect(answer({ status: 403, messages: [detail] }).kind).toBe('duplicate');
    expect(answer({ status: 400, detail }).kind).toBe('rejected');
  });

  it('invalid media ids are cured by uploading again, a reply to an unseen post by a moment', () => {
    expect(answer({ status: 400, detail: 'Your media IDs are invalid.' })).toMatchObject({
      code: 'media_expired',
      cure: 'media_again',
    });
    expect(answer({ status: 403, code: 385 })).toMatchObject({ cure: 'reply_later' });
  });

  it('tells a missing scope from a wrong app and from a rule of X', () => {
    const forbidden = (given: Partial<XAnswer>) => answer({ status: 403, ...given });
    expect(forbidden({ title: 'Forbidden', detail: 'Forbidden' })).toMatchObject({ code: 'missing_scope' });
    expect(forbidden({ type: 'client-forbidden' })).toMatchObject({ code: 'x_misconfigured' });
    expect(forbidden({ title: 'Forbidden', detail: 'Not permitted.' })).toMatchObject({
      code: 'x_forbidden',
    });
  });
});
