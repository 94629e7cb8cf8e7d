// Counts tests from the lines that a test runner prints.

const none = () => ({ passed: 0, failed: 0, skipped: 0 })

/** ctest ends with '97% tests passed, 1 tests failed out of 40'. A test that it could not run counts as failed. */
function ctest() {
  let totals = none()
  return {
    line(text) {
      const found = /tests passed, (\d+) tests failed out of (\d+)/.exec(text)
      if (found) totals = { ...totals, passed: Number(found[2]) - Number(found[1]), failed: Number(found[1]) }
    },
    totals: () => totals
  }
}

/** TAP has a line 'ok N - title' or 'not ok N - title' per test; '# SKIP' and '# TODO' mark those that do not count. */
function tap() {
  const totals = none()
  return {
    line(text) {
      const found = /^(not ok|ok) \d+(.*)/.exec(text)
      if (!found) return
      if (/ # (SKIP|TODO)\b/i.test(found[2])) totals.skipped++
      else if (found[1] === 'ok') totals.passed++
      else totals.failed++
    },
    totals: () => totals
  }
}

/** A nested check ends with 'N passed, N failed, N skipped'; the last such line counts. */
function summary() {
  let totals = none()
  return {
    line(text) {
      const found = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(text)
      if (found) totals = { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3] ?? 0) }
    },
    totals: () => totals
  }
}

/** A stage without tests. */
function nothing() {
  return { line() {}, totals: none }
}

const counters = { ctest, tap, summary }

/**
 * A counter: `line` takes each line of the output, `totals` gives { passed, failed, skipped }.
 * A line 'skipped: reason' adds one skipped in every kind but a summary, which has them counted already.
 */
export function count(kind) {
  const counter = (counters[kind] ?? nothing)()
  let skipped = 0
  return {
    line(text) {
      if (kind !== 'summary' && text.startsWith('skipped: ')) skipped++
      counter.line(text)
    },
    totals() {
      const totals = counter.totals()
      return { ...totals, skipped: totals.skipped + skipped }
    }
  }
}
