// images: what a checkpoint's files hold. The work is done in src/images; a verb reads its arguments and prints.

import type { Context, OwnInvocation } from '../context.js';
import { IMAGES_VERBS, type ImagesRow, type ImagesVerb, isImagesVerb } from '../parse/images.js';
import { nearest } from '../parse/nearest.js';
import type { Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';
import type { Explorer } from './images/explore.js';

/** Resolves with the exit status. */
export type RunImagesVerb = (invocation: OwnInvocation, context: Context) => Promise<number>;

const RUN: Readonly<Record<ImagesVerb, () => Promise<RunImagesVerb>>> = {
  decode: async () => (await import('./images/decode.js')).runDecode,
  show: async () => (await import('./images/decode.js')).runShow,
  encode: async () => (await import('./images/encode.js')).runEncode,
  verify: async () => (await import('./images/chain.js')).runVerify,
  dedup: async () => (await import('./images/chain.js')).runDedup,
  squash: async () => (await import('./images/chain.js')).runSquash,
  search: async () => (await import('./images/search.js')).runSearch,
  diff: async () => (await import('./images/diff.js')).runDiff,
  rewrite: async () => (await import('./images/rewrite.js')).runRewrite,
  info: async () => (await import('./images/info.js')).runInfo,
  ps: () => explorer('ps'),
  fds: () => explorer('fds'),
  mems: () => explorer('mems'),
  rss: () => explorer('rss'),
  x: async () => (await import('./images/explore.js')).runX,
};

export async function runImages({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const [word, ...rest] = operands;
  if (word === undefined) throw new UsageError('images needs a verb, such as decode or ps', 'images');
  if (!isImagesVerb(word)) throw new UsageError(unknownVerb(word), 'images');
  refuseForeign(word, settings);
  const run = await RUN[word]();
  return run({ settings, operands: rest }, context);
}

async function explorer(verb: Explorer): Promise<RunImagesVerb> {
  return (await import('./images/explore.js')).runExplorer(verb);
}

function unknownVerb(word: string): string {
  const meant = nearest(word, Object.keys(IMAGES_VERBS));
  return `images has no verb "${word}"${meant === undefined ? '' : `. Did you mean "${meant}"?`}`;
}

function refuseForeign(verb: ImagesVerb, settings: Settings): void {
  const { options }: ImagesRow = IMAGES_VERBS[verb];
  const foreign = [...settings.values()].find(({ name }) => !options.some((option) => option.name === name));
  if (foreign !== undefined) throw new UsageError(`images ${verb} takes no ${foreign.written}`, `images ${verb}`);
}
