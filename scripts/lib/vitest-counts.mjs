// vitest-counts.mjs REPORT: prints "PASSED FAILED SKIPPED" of a vitest JSON report; status 1 when there is none.
// A file that fails before its first test has no test to count: it counts as one failure. On stderr, what passed at its second attempt.
import { readFileSync } from 'node:fs';

const [, , file] = process.argv;
try {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const skipped = report.numPendingTests + report.numTodoTests;
  const failed = Math.max(report.numFailedTests, report.success ? 0 : 1);
  console.log(report.numPassedTests, failed, skipped);
  for (const { name, assertionResults } of report.testResults)
    for (const { status, fullName, failureMessages } of assertionResults)
      if (status === 'passed' && failureMessages.length > 0)
        console.error(`second attempt: ${name}: ${fullName}: ${failureMessages[0].split('\n')[0]}`);
} catch {
  process.exit(1);
}
