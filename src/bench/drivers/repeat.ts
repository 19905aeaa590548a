/** Microseconds of each repetition, one after the other. */
export async function repeat(count: number, work: () => Promise<void>): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = process.hrtime.bigint();
    await work();
    samples.push(Number(process.hrtime.bigint() - began) / 1000);
  }
  return samples;
}

export interface VersionOf {
  readonly major: number;
  readonly minor: number;
  readonly sublevel: number;
}

export function formatVersion(version: VersionOf | undefined): string {
  return version === undefined ? 'none' : `${version.major}.${version.minor}.${version.sublevel}`;
}
