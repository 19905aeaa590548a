// The switch that is built in: one address of one device, within the network namespace that Frazil is in.

export interface MovedAddress {
  /** With the length of its prefix: 192.0.2.7/24. */
  readonly address: string;
  /** Which has it, at the source and at the destination. */
  readonly device: string;
}

const ADDRESS = /^[0-9a-fA-F:.]+\/\d{1,3}$/;
const DEVICE = /^[A-Za-z0-9_.-]{1,15}$/;

/**
 * The switch for one address of a network device, for both ends: within the network namespace of Frazil, by ip(8). While the source still
 * has it, the destination has it on its loopback device, so that sockets can be bound; neighbours learn of the new place by an ARP
 * announcement. Throws RangeError for what is no address or no device.
 */
export function addressSwitch({ address, device }: MovedAddress): string {
  if (!ADDRESS.test(address) || !DEVICE.test(device))
    throw new RangeError(
      `Cannot move "${address}" of "${device}": an address with its prefix (192.0.2.7/24) and a device are expected`,
    );
  const [bare = ''] = address.split('/');
  const onLoopback = `${bare}/${bare.includes(':') ? 128 : 32} dev lo`;
  const there = `${address} dev ${device}`;
  // An address that is set on a device that is up is announced when the device gets its link address, even the one that it has.
  const announce = [
    `echo 1 > /proc/sys/net/ipv4/conf/${device}/arp_notify`,
    `ip link set dev ${device} address "$(ip -o link show dev ${device} | sed 's/.*link.ether \\([0-9a-f:]*\\).*/\\1/')"`,
  ].join(' && ');
  return [
    'case "$FRAZIL_NETWORK_STEP" in',
    `prepare) ip address replace ${onLoopback};;`,
    `leave) ip address del ${there};;`,
    `arrive) ip address replace ${there} && ip address del ${onLoopback} && { ${announce} || true; };;`,
    `return) ip address replace ${there};;`,
    `undo) ip address del ${onLoopback} 2>/dev/null; ip address del ${there} 2>/dev/null; true;;`,
    'esac',
  ].join('\n');
}
