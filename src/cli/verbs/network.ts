// The options by which migrate and receive move an address.

import { addressSwitch } from '../../migrate/network/address-switch.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';

export function networkOf(settings: Settings): { readonly networkSwitch?: string } {
  const command = lastValue(settings, 'network-switch');
  const moved = lastValue(settings, 'move-address');
  if (command !== undefined && moved !== undefined)
    throw new UsageError('--network-switch and --move-address exclude each other');
  if (command !== undefined) return { networkSwitch: command };
  if (moved === undefined) return {};
  const [address = '', device = ''] = moved.split('@');
  try {
    return { networkSwitch: addressSwitch({ address, device }) };
  } catch (cause) {
    throw cause instanceof RangeError
      ? new UsageError(`--move-address: ${cause.message}`, undefined, { cause })
      : cause;
  }
}
