import { HINTS } from '../../../errors/rules/hints.js';
import { type Finding, unless } from '../finding.js';
import type { Mapping } from '../proc-text.js';
import type { Check, Scene } from '../scene.js';
import type { Task } from '../tree.js';

const KIBIBYTE = 1024;

/** Mappings that CRIU does not carry, and memory that costs more than its size. */
export const checkMemory: Check = (scene) =>
  scene.tree.tasks.flatMap((task) => [...mappings(task, scene), ...locked(task)]);

function mappings({ pid, maps, mappedFiles }: Task, { options }: Scene): Finding[] {
  const device = maps.find(({ path, range }) => isDevice(path) && mappedFiles.get(range)?.kind !== 'file');
  const probed = maps.find(({ path }) => path === '[uprobes]');
  const huge = maps.find(({ path }) => path.startsWith('/anon_hugepage'));
  return [
    ...(device === undefined ? [] : [unsupportedMapping(pid, device)]),
    ...(probed === undefined
      ? []
      : [
          unless(options.allowUprobes, {
            id: 'uprobes-mapping',
            severity: 'blocks',
            title: `Process ${pid} is traced by uprobes`,
            neededFor: 'dump',
            remedy: 'Pass allowUprobes: true (--allow-uprobes) on dump and restore, or remove the probes',
            option: HINTS.allowUprobes,
            pid,
          }),
        ]),
    ...(huge === undefined
      ? []
      : [
          {
            id: 'hugetlb',
            severity: 'note',
            title: `Process ${pid} uses huge pages of the pool (hugetlb): the destination needs as many`,
            neededFor: 'restore',
            remedy: 'Reserve them there: sysctl vm.nr_hugepages',
            pid,
            path: huge.path,
          } as const,
        ]),
  ];
}

function isDevice(path: string): boolean {
  if (path.startsWith('anon_inode:')) return true;
  return path.startsWith('/dev/') && !/^\/dev\/(?:zero|null|shm|hugepages|full|random|urandom)\b/.test(path);
}

function unsupportedMapping(pid: number, { range, path }: Mapping): Finding {
  return {
    id: 'mapping-not-regular',
    severity: 'blocks',
    title: `Process ${pid} has mapped ${path} (at ${range}), which CRIU does not carry`,
    neededFor: 'dump',
    remedy: 'Unmap it before the dump, or use a CRIU plugin for the device',
    pid,
    path,
  };
}

function locked({ pid, memory }: Task): Finding[] {
  const kibibytes = Number.parseInt(memory.get('Locked') ?? '0', 10);
  if (kibibytes === 0) return [];
  return [
    {
      id: 'locked-memory',
      severity: 'note',
      title: `Process ${pid} has locked ${kibibytes * KIBIBYTE} bytes of memory: the restore needs the limit for it (RLIMIT_MEMLOCK)`,
      neededFor: 'restore',
      pid,
    },
  ];
}
