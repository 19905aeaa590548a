// The flags that say what a tree is to wake up as: --as-*. Their values become rules here; whether the rules make sense is for
// src/images/rewrite/rules.ts, and whether the checkpoint allows them for those beside it.

import type { PathRule, RewriteRules, SocketEnd, SocketRule } from '../../images/rewrite/rules.js';
import type { OwnOption } from './own-option.js';
import type { Settings } from './settings.js';

export const REWRITING: readonly OwnOption[] = [
  rule('as-socket', '[tcp:|udp:]FROM=TO', 'Change sockets; FROM and TO are PORT, ADDRESS, ADDRESS:PORT or [IPV6]:PORT'),
  rule('as-hostname', 'NAME', 'Change the name in the uts namespace of the tree'),
  rule('as-env', 'NAME[=VALUE]', 'Change a variable of the environment, or take it away'),
  rule('as-cwd', 'FROM=TO', 'Change the working directory of tasks that are in FROM'),
  rule('as-log', 'FROM=TO', 'Write to another file, whatever is in it'),
  rule('as-path', 'FROM=TO', 'Change the names of all files below a path'),
  rule('as-cgroup', 'FROM=TO', 'Change paths of cgroups'),
  rule('as-pts', 'N=M', 'Change the number of a pseudo-terminal'),
];

function rule(name: string, value: string, text: string): OwnOption {
  return { name, argument: 'required', sets: name, on: true, value, text: `${text}; may be repeated` };
}

/** Undefined when no such flag was given. Throws RangeError for a value that cannot be read. */
export function rulesOf(settings: Settings): RewriteRules | undefined {
  if (!REWRITING.some(({ name }) => settings.has(name))) return undefined;
  const paths = (name: string): readonly PathRule[] => values(settings, name).map((value) => pair(name, value));
  const hostname = values(settings, 'as-hostname').at(-1);
  const environment = values(settings, 'as-env').map(variable);
  return {
    sockets: values(settings, 'as-socket').map(socket),
    workingDirectory: paths('as-cwd'),
    logs: paths('as-log'),
    paths: paths('as-path'),
    cgroups: paths('as-cgroup'),
    terminals: paths('as-pts').map(({ from, to }) => ({ from: whole('as-pts', from), to: whole('as-pts', to) })),
    environment: Object.fromEntries(environment),
    ...(hostname === undefined ? {} : { hostname }),
  };
}

function values(settings: Settings, name: string): readonly string[] {
  return (settings.get(name)?.values ?? []).filter((value) => value !== undefined);
}

function variable(text: string): readonly [string, string | undefined] {
  const sign = text.indexOf('=');
  return sign === -1 ? [text, undefined] : [text.slice(0, sign), text.slice(sign + 1)];
}

function pair(name: string, text: string): PathRule {
  const sign = text.indexOf('=');
  if (sign > 0 && sign < text.length - 1) return { from: text.slice(0, sign), to: text.slice(sign + 1) };
  throw new RangeError(`--${name}: FROM=TO expected, not "${text}"`);
}

function socket(text: string): SocketRule {
  const [, protocol, ends = ''] = /^(?:(tcp|udp):)?(.*)$/s.exec(text) ?? [];
  const { from, to } = pair('as-socket', ends);
  return { from: end(from), to: end(to), ...(protocol === 'tcp' || protocol === 'udp' ? { protocol } : {}) };
}

// 8080, 10.0.0.1, 10.0.0.1:8080, ::1, [::1]:8080.
function end(text: string): SocketEnd {
  if (/^\d+$/.test(text)) return { port: whole('as-socket', text) };
  const [, bracketed, address = bracketed, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  if (address === undefined) return { address: text };
  return { address, ...(port === undefined ? {} : { port: whole('as-socket', port) }) };
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`--${name}: a number expected, not "${text}"`);
}
