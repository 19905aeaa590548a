import { describe, expect, it } from 'vitest';
import { memfd, pipe } from '../../../src/addon/files.js';
import { receive, send, seqpacketPair } from '../../../src/addon/sockets.js';
import { openFds } from './open-fds.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('send() and receive()', () => {
  it('carry a message with its fds, and leave no fd behind', async () => {
    const before = openFds();
    const [here, there] = seqpacketPair();
    const file = memfd('passed');
    send(here, bytes('hello'), [file]);
    const message = await receive(there).done;
    expect(Buffer.from(message?.bytes ?? []).toString()).toBe('hello');
    expect(message?.fds).toHaveLength(1);
    for (const fd of [here, there, file, ...(message?.fds ?? [])]) fd.close();
    expect(openFds()).toEqual(before);
  });

  it('receive() waits for a message that comes later', async () => {
    const [here, there] = seqpacketPair();
    const job = receive(there);
    setImmediate(() => send(here, bytes('later')));
    expect(Buffer.from((await job.done)?.bytes ?? []).toString()).toBe('later');
    here.close();
    there.close();
  });

  it('receive() answers undefined when the peer has hung up', async () => {
    const [here, there] = seqpacketPair();
    here.close();
    expect(await receive(there).done).toBeUndefined();
    there.close();
  });

  it('receive() refuses what is not a socket', async () => {
    const { read, write } = pipe();
    write.close();
    await expect(receive(read).done).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ENOTSOCK' } });
    read.close();
  });
});
