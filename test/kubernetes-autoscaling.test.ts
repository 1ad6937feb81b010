import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type Manifests, Named, readManifests } from './kubernetes-files.ts';
import { startRedisServer } from './redis-server.ts';

describe('deploy/kubernetes/autoscaling', () => {
  const ScaledObject = z.looseObject({
    spec: z.looseObject({
      scaleTargetRef: Named,
      minReplicaCount: z.number().min(1),
      advanced: z.looseObject({
        scalingModifiers: z.object({
          formula: z.string(),
          target: z.string(),
          metricType: z.literal('AverageValue'),
        }),
      }),
      triggers: z.array(
        z.object({
          type: z.literal('redis'),
          name: z.string(),
          // KEDA 2.15 to 2.17.0 refuses a fallback beside triggers that do not say it, although it is the default.
          metricType: z.literal('AverageValue'),
          metadata: z.object({ address: z.string(), listName: z.string(), listLength: z.string() }),
          authenticationRef: Named,
        }),
      ),
    }),
  });
  let manifests: Manifests;
  let redisServer: Awaited<ReturnType<typeof startRedisServer>>;
  beforeAll(async () => {
    manifests = await readManifests();
    redisServer = await startRedisServer();
  });
  afterAll(() => redisServer[Symbol.asyncDispose]());

  it('asks for one worker for each WORKER_CONCURRENCY of what is due and in work', () => {
    const scaled = manifests.ofKind('ScaledObject').map((resource) => ScaledObject.parse(resource).spec);
    expect(scaled.map(({ scaleTargetRef }) => scaleTargetRef.name).sort()).toEqual([
      'post-to-x-worker-media',
      'post-to-x-worker-tweets',
    ]);
    for (const { scaleTargetRef, advanced, triggers } of scaled) {
      const [worker] = manifests.ours().filter(({ name }) => name === scaleTargetRef.name);
      if (!worker) throw new Error(`nothing is called ${scaleTargetRef.name}`);
      const { WORKER_CONCURRENCY, WORKER_QUEUES } = manifests.environmentOf(worker);
      const { formula, target } = advanced.scalingModifiers;
      expect(formula.split(' + ').sort()).toEqual(triggers.map(({ name }) => name).sort());
      expect(target).toBe(WORKER_CONCURRENCY);
      for (const { metadata, authenticationRef } of triggers) {
        expect(metadata.listLength).toBe(WORKER_CONCURRENCY);
        expect(metadata.listName.split(':')[1]).toBe(WORKER_QUEUES);
        expect(metadata.address).toBe('post-to-x-redis.default.svc:6379');
        expect(manifests.names('TriggerAuthentication')).toContain(authenticationRef.name);
      }
    }
    expect(manifests.names('Service')).toContain('post-to-x-redis');
  });

  it('looks where wake-up calls really lie', async () => {
    await using redis = await connectRedis(redisServer.url, 'wait');
    await using wakeUps = createWakeUps({ redis });
    await wakeUps.add('a'.repeat(32), { index: 0 });
    await wakeUps.add('a'.repeat(32));
    const due: string[] = [];
    const active: string[] = [];
    for (const resource of manifests.ofKind('ScaledObject'))
      for (const { name, metadata } of ScaledObject.parse(resource).spec.triggers)
        (name === 'due' ? due : active).push(metadata.listName);
    const { media, tweets } = wakeUps.queues;
    expect(due.sort()).toEqual([media.toKey('prioritized'), tweets.toKey('prioritized')]);
    expect(active.sort()).toEqual([media.toKey('active'), tweets.toKey('active')]);
    for (const key of due) expect(await redis.zcard(key), key).toBe(1);
  });
});
