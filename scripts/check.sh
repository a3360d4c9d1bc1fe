#!/usr/bin/env bash
# Everything a change must pass, in under two minutes: format and lint, types, the pure folders, unit tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

biome check --error-on-warnings .
tsc -p tsconfig.json --noEmit
tsc -p tsconfig.pure.json --noEmit
find allocator gateway waitlist notifier shared demo cli bench test/house -name '*.test.ts' -not -path '*/node_modules/*' -print0 |
  xargs -0 tap --reporter=terse
