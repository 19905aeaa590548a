export interface Point {
  readonly x: number;
  readonly y: number;
}

/** By how much `y` grows with `x`: of the line with the least squares. NaN of points that all have one `x`. */
export function slope(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const x0 = mean(({ x }) => x);
  const y0 = mean(({ y }) => y);
  const together = mean(({ x, y }) => (x - x0) * (y - y0));
  return together / mean(({ x }) => (x - x0) ** 2);
}
