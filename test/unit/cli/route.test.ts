import { describe, expect, it } from 'vitest';
import { type CriuWord, isCriuWord } from '../../../src/cli/parse/command-line.js';
import { getopt } from '../../../src/cli/parse/getopt.js';
import { CRIU_OPTIONS } from '../../../src/cli/parse/grammar.js';
import { settle } from '../../../src/cli/parse/settings.js';
import { type Route, RULES, route } from '../../../src/cli/route.js';

const decide = (text: string): Route => {
  const { occurrences, operands } = getopt(text.split(' '), { long: CRIU_OPTIONS });
  const word = operands[0] ?? '';
  if (!isCriuWord(word)) throw new Error(text);
  return route(word, settle(occurrences));
};

describe('route()', () => {
  it.each([
    ['dump -t 1', 'dump'],
    ['dump -t 1 -D d -W w -o l -v4 --tcp-established --shell-job --external x', 'dump'],
    ['dump -t 1 --page-server --no-page-server', 'dump'],
    ['dump -t 1 --address 1.2.3.4 --port 1', 'dump'],
    ['dump -t 1 --prev-images-dir ../0 --track-mem', 'dump'],
    ['dump -t 1 --cpu-cap=all', 'dump'],
    ['pre-dump -t 1', 'preDump'],
    ['restore', 'restore'],
    ['restore -d', 'restore'],
    ['restore -j -d --inherit-fd fd[3]:x', 'restore'],
    ['check', 'check'],
    ['lazy-pages', 'lazyPages'],
    ['lazy-pages -D d -W w -v4 -o l', 'lazyPages'],
    ['lazy-pages --page-server --address 1.2.3.4 --port 1', 'lazyPages'],
    ['page-server --lazy-pages -D d --port 1', 'servePages'],
    ['cpuinfo dump', 'cpuinfo'],
  ])('"%s" is done by %s of ours', (text, operation) => {
    expect(decide(text)).toEqual({ kind: 'frazil', operation });
  });

  it.each([
    ['dump -t 1 --page-server --port 1', ['--page-server']],
    ['pre-dump -t 1 --page-server', ['--page-server']],
    ['dump -t 1 --lazy-pages --port 1', ['--lazy-pages']],
    ['restore -d --lazy-pages', ['--lazy-pages']],
    ['dump -t 1 --stream', ['--stream']],
    ['restore --stream --lazy-pages', ['--lazy-pages', '--stream']],
    ['restore --exec-cmd -- sh', ['--exec-cmd']],
    ['restore -d -S', ['--restore-sibling']],
    ['dump -t 1 --close 5', ['--close']],
    ['restore -d --action-script s', ['--action-script']],
    ['dump -t 1 --prev-images-dir /abs', ['absolute']],
    ['dump -t 1 --cpu-cap=none', ['--cpu-cap=none']],
    ['check --feature uffd', ['--feature']],
    ['check --extra --all', ['--extra', '--all']],
    ['check --ms', ['--ms']],
    ['page-server --port 1', ['page-server']],
    ['page-server --lazy-pages -d --pidfile p', ['--daemon', '--pidfile']],
    ['page-server --lazy-pages --tls', ['--tls']],
    ['lazy-pages --page-server --port 1 --tls', ['--tls']],
    ['lazy-pages --page-server --ps-socket 5', ['--ps-socket']],
    ['lazy-pages -d --pidfile p', ['--daemon', '--pidfile']],
    ['dedup', ['dedup']],
    ['service', ['service']],
    ['swrk 3', ['swrk']],
    ['exec', ['exec']],
  ])('"%s" is handed to CRIU because of %j', (text, reasons) => {
    const decided = decide(text);
    expect(decided.kind).toBe('criu');
    const because = decided.kind === 'criu' ? decided.because : [];
    expect(because).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(because[i]).toContain(reason);
  });

  it('has only rules about options that exist', () => {
    const names = new Set(CRIU_OPTIONS.map(({ sets }) => sets));
    for (const { option } of RULES) expect(names).toContain(option);
    const words: readonly CriuWord[] = RULES.flatMap(({ words }) => words);
    for (const word of words) expect(isCriuWord(word)).toBe(true);
  });
});
