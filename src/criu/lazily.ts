// Verbs that the entry point offers without loading them: an import of Frazil costs a program a few milliseconds, whatever it goes on to
// use. What each promises stands at its definition.

import type * as Ask from './ask.js';
import type * as Doctor from './doctor/doctor.js';
import type * as Explain from './explain.js';
import type * as Feeding from './lazy/serve-pages.js';
import type * as Server from './page-server.js';

export const version: typeof Ask.version = async (...given) => (await import('./ask.js')).version(...given);
export const features: typeof Ask.features = async (...given) => (await import('./ask.js')).features(...given);
export const check: typeof Ask.check = async (...given) => (await import('./ask.js')).check(...given);
export const cpuinfoDump: typeof Ask.cpuinfoDump = async (...given) => (await import('./ask.js')).cpuinfoDump(...given);
export const cpuinfoCheck: typeof Ask.cpuinfoCheck = async (...given) =>
  (await import('./ask.js')).cpuinfoCheck(...given);
export const doctor: typeof Doctor.doctor = async (...given) => (await import('./doctor/doctor.js')).doctor(...given);
export const explainPath: typeof Explain.explainPath = async (...given) =>
  (await import('./explain.js')).explainPath(...given);
export const servePages: typeof Feeding.servePages = async (...given) =>
  (await import('./lazy/serve-pages.js')).servePages(...given);
export const pageServer: typeof Server.pageServer = async (...given) =>
  (await import('./page-server.js')).pageServer(...given);
