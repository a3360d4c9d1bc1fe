import t from "tap";
import { instantMs, instantText, isTimeZone, localDayMs, localInstantMs, utcDate } from "./times.ts";

const NEW_YORK = "America/New_York";
const local = (date: string, minutes: number, zone = NEW_YORK) => instantText(localInstantMs(date, minutes, zone));

t.test("local times become moments, in winter, in summer and on the days between", async (t) => {
  t.equal(local("2026-01-15", 19 * 60), "2026-01-16T00:00:00.000Z");
  t.equal(local("2026-07-15", 19 * 60), "2026-07-15T23:00:00.000Z");
  t.equal(local("2026-03-08", 60), "2026-03-08T06:00:00.000Z", "before the clocks change");
  t.equal(local("2026-03-08", 180), "2026-03-08T07:00:00.000Z", "after");
  t.equal(local("2026-03-08", 150), "2026-03-08T07:30:00.000Z", "half past two is skipped: as much later");
  t.equal(local("2026-11-01", 90), "2026-11-01T05:30:00.000Z", "half past one comes twice: the first");
  t.equal(local("2026-01-15", 0, "Asia/Kolkata"), "2026-01-14T18:30:00.000Z");
});

t.test("a day is as long as it is there", async (t) => {
  const hours = (date: string, zone: string) => {
    const { from, to } = localDayMs(date, zone);
    return (to - from) / 3_600_000;
  };
  t.equal(hours("2026-03-08", NEW_YORK), 23);
  t.equal(hours("2026-11-01", NEW_YORK), 25);
  t.equal(hours("2026-03-08", "America/Phoenix"), 24);
  t.equal(hours("2026-03-08", "America/Havana"), 23, "the hour after midnight is the one skipped");
  t.equal(hours("2026-04-05", "Australia/Lord_Howe"), 24.5);
  t.equal(hours("2011-12-30", "Pacific/Apia"), 0, "a day that was never there");
  t.equal(localDayMs("2026-02-28", NEW_YORK).to, localDayMs("2026-03-01", NEW_YORK).from);
});

t.test("only names of zones are zones", async (t) => {
  for (const name of [NEW_YORK, "UTC", "Etc/GMT+5", "Asia/Ho_Chi_Minh"]) t.ok(isTimeZone(name), name);
  for (const name of ["", "+05:00", "Mars/Olympus", "America/New_York ", "x".repeat(65)])
    t.notOk(isTimeZone(name), name);
});

t.test("text and milliseconds", async (t) => {
  t.equal(instantMs("2026-01-01T01:00:00.1239+01:00"), Date.UTC(2026, 0, 1, 0, 0, 0, 123));
  t.equal(utcDate(Date.UTC(2026, 0, 1) - 1), "2025-12-31");
});
