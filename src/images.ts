// The entry `frazil/images`: image files as typed entries, as crit's JSON, and as what they say about the tasks of a checkpoint.

export { decodeImage, type Image, ImageDecoder, type ImageEntry, type ImageHeader } from './images/codec/decode.js';
export { encodeImage } from './images/codec/encode.js';
export type { Extra, QueuedMessage } from './images/codec/extras.js';
export { IMAGE_NAMES, type ImageName, type Prefix } from './images/codec/types.js';
export { encodedJson } from './images/crit/from-json.js';
export { imageText } from './images/crit/image-text.js';
export { type ImageInfo, imageInfo } from './images/crit/info.js';
export type { ShowOptions } from './images/crit/to-json.js';
export { exploreFds, type TaskFds } from './images/explore/fds.js';
export { exploreMems, type MemoryArea, type TaskMemory } from './images/explore/mems.js';
export { explorePs, type PsTask } from './images/explore/ps.js';
export { exploreRss, type Rss, type RssArea } from './images/explore/rss.js';
export { UNKNOWN_FIELDS } from './schema/codec.js';
export type { Entry, EntryKind } from './schema/images.js';
