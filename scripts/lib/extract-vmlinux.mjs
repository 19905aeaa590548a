// extract-vmlinux.mjs BZIMAGE VMLINUX: writes the ELF kernel that a bzImage carries compressed.
// The image does not say where the payload starts, so every place that looks like a zstd or xz stream is tried until
// one gives an ELF file. Node 20 has no decoder for either: the programs zstd and xz must be in PATH.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const DECODERS = [
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), command: 'zstd', args: ['-dcq'] },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), command: 'xz', args: ['-dc', '--single-stream'] },
];
const ELF = Buffer.from('\x7fELF', 'latin1');
// An uncompressed kernel is about 60 MiB; the limit only stops a false start from filling memory.
const LARGEST_KERNEL_BYTES = 512 * 1024 * 1024;

const [, , from, to] = process.argv;
const kernel = firstElf(readFileSync(from));
if (kernel === undefined) {
  console.error(`Cannot extract a kernel: no compressed ELF in "${from}"`);
  process.exit(1);
}
writeFileSync(to, kernel);

function firstElf(image) {
  for (const { magic, command, args } of DECODERS) {
    for (let at = image.indexOf(magic); at >= 0; at = image.indexOf(magic, at + 1)) {
      // The decoder fails at the bytes behind the payload, after it has written the kernel: its status says nothing.
      const { stdout } = spawnSync(command, args, { input: image.subarray(at), maxBuffer: LARGEST_KERNEL_BYTES });
      if (stdout?.subarray(0, ELF.length).equals(ELF)) return stdout;
    }
  }
  return undefined;
}
