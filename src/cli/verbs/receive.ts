// receive: listens, and prints what arrives.

import { type Arrival, type ReceiveOptions, type Receiver, receive } from '../../migrate/receive.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';
import { networkOf } from './network.js';
import { securityOf } from './security.js';

/** With --once 0 when a tree runs here, 1 when one does not and no other is on its way; else until it is interrupted. */
export async function runReceive({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { preferences, interruption } = context;
  if (operands.length > 0)
    throw new UsageError(`receive takes no operand, and was given "${operands.join(' ')}"`, 'receive');
  const where = lastValue(settings, 'listen');
  if (where === undefined) throw new UsageError('receive needs --listen HOST:PORT', 'receive');
  const directory = lastValue(settings, 'directory');
  const { criu } = preferences;
  await using receiver = await receive({
    listen: where,
    ...securityOf(settings),
    ...networkOf(settings),
    ...placeOf(settings),
    ...(directory === undefined ? {} : { directory }),
    ...(criu === undefined ? {} : { criu }),
    signal: interruption.signal,
  }).catch((cause: unknown) => {
    throw cause instanceof RangeError ? new UsageError(cause.message, 'receive', { cause }) : cause;
  });
  sayWhere(receiver, context);
  for await (const arrival of receiver.arrivals()) {
    tell(arrival, context);
    const last = arrival.kind === 'running' || receiver.underWay === 0;
    if (settings.has('once') && last) return arrival.kind === 'running' ? EXIT.done : EXIT.failed;
    sayWhere(receiver, context);
  }
  return interruption.signal.aborted ? EXIT.aborted : EXIT.done;
}

function placeOf(settings: Settings): Pick<ReceiveOptions, 'container'> {
  const bundle = lastValue(settings, 'bundle');
  const given = { rootfs: lastValue(settings, 'rootfs'), id: lastValue(settings, 'container') };
  const place = {
    ...given,
    root: lastValue(settings, 'runtime-root'),
    consoleSocket: lastValue(settings, 'console-socket'),
  };
  const told = Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined)) as object;
  if (bundle !== undefined) return { container: { bundle, ...told } };
  if (Object.keys(told).length === 0) return {};
  throw new UsageError(
    '--rootfs, --container, --runtime-root and --console-socket are for a container: --bundle is missing',
    'receive',
  );
}

/** Each token is for one migration. */
function sayWhere({ address, token }: Receiver, { terminal, preferences }: Context): void {
  if (preferences.json) terminal.printJson({ event: 'listening', address, ...(token === undefined ? {} : { token }) });
  else if (preferences.quiet && token === undefined) return;
  else terminal.say(`Waiting: frazil migrate -t PID --to ${address}${token === undefined ? '' : ` --token ${token}`}`);
}

function tell(arrival: Arrival, { terminal, preferences }: Context): void {
  const { id, kind } = arrival;
  if (kind === 'running') {
    const { tree, wireBytes, container } = arrival;
    const { pid } = tree;
    const what = container === undefined ? 'A tree' : `Container ${container.id}`;
    if (preferences.json)
      terminal.printJson({ event: 'running', id, pid, wireBytes, ...(container === undefined ? {} : { container }) });
    else terminal.say(`${what} has arrived and runs as process ${pid}`);
    return;
  }
  const message = arrival.failure instanceof Error ? arrival.failure.message : 'the source has given up';
  if (preferences.json) terminal.printJson({ event: 'gone', id, message });
  else terminal.say(`A tree has not arrived: ${message}`);
}
