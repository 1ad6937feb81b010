import { Job } from './answers.ts';
import type { Api } from './api.ts';

/** The job now and at each change, until its end: server-sent events, and a long poll where the stream breaks off. */
export async function* followJob(api: Api, jobId: string): AsyncGenerator<Job> {
  for (;;) {
    for await (const data of events(await api.open(`/jobs/${jobId}/events`))) {
      const job = Job.parse(JSON.parse(data));
      yield job;
      if (job.next_check_seconds === null) return;
    }
    const job = await api.ask(Job, `/jobs/${jobId}?wait_seconds=20`);
    yield job;
    if (job.next_check_seconds === null) return;
  }
}

/** The data of each event of a stream (HTML standard, server-sent events), one line each as this API sends them. */
async function* events(answer: Response): AsyncGenerator<string> {
  let pending = '';
  try {
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (pending + chunk).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('data: ')) yield line.slice('data: '.length);
    }
  } catch (error) {
    // The stream broke off: whoever reads on asks again.
    if (!(error instanceof TypeError)) throw error;
  }
}
