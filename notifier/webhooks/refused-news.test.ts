import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { News } from "../../shared/protocol/show-news.ts";
import { ATTEMPTS_MIN, RefusedNews, SPAN_MIN_MS } from "./refused-news.ts";

const DAY_MS = 24 * 3_600_000;
const T0 = Date.parse("2026-03-01T12:00:00Z");

const newsAt = (at: number, id = "s1:1:0"): News => ({
  specversion: "1.0",
  id,
  source: "/usher",
  type: "hold.expired",
  subject: "s1",
  time: new Date(at).toISOString(),
  datacontenttype: "application/json",
  data: { show_id: "s1" as ShowId },
});

t.test("given up when it is old enough and was tried again and again", async (t) => {
  const refused = new RefusedNews(DAY_MS);
  const news = newsAt(T0);
  for (let i = 1; i <= ATTEMPTS_MIN; i++) t.same(refused.refused(news, T0 + i), { attempts: i, isGivenUp: false });
  t.equal(refused.refused(news, T0 + DAY_MS - 1).isGivenUp, false);
  t.equal(refused.refused(news, T0 + DAY_MS).isGivenUp, true);
});

t.test("a restart begins no new count, but old news has several tries over some time", async (t) => {
  const news = newsAt(T0);
  const restartedAt = T0 + 3 * DAY_MS;
  const refused = new RefusedNews(DAY_MS);
  for (let i = 0; i < 2 * ATTEMPTS_MIN; i++) t.equal(refused.refused(news, restartedAt + i).isGivenUp, false);
  t.equal(refused.refused(news, restartedAt + SPAN_MIN_MS - 1).isGivenUp, false);
  t.equal(refused.refused(news, restartedAt + SPAN_MIN_MS).isGivenUp, true);

  const seldom = new RefusedNews(DAY_MS);
  for (let i = 1; i < ATTEMPTS_MIN; i++) t.equal(seldom.refused(news, restartedAt + i * DAY_MS).isGivenUp, false);
  t.equal(seldom.refused(news, restartedAt + ATTEMPTS_MIN * DAY_MS).isGivenUp, true);
});

t.test("the next news of the show, and one that became safe, count anew", async (t) => {
  const refused = new RefusedNews(60_000);
  const tryIt = (news: News) =>
    Array.from({ length: ATTEMPTS_MIN }, (_, i) => refused.refused(news, T0 + DAY_MS + i * 60_000));
  t.equal(tryIt(newsAt(T0)).at(-1)?.isGivenUp, true);
  t.equal(refused.refused(newsAt(T0, "s1:2:0"), T0 + 2 * DAY_MS).attempts, 1);
  t.equal(refused.refused(newsAt(T0, "s1:2:0"), T0 + 2 * DAY_MS).attempts, 2);
  t.equal(refused.refused(newsAt(T0, "s1:3:0"), T0 + 2 * DAY_MS).attempts, 1);
  refused.safe(newsAt(T0, "s1:3:0"));
  t.equal(refused.refused(newsAt(T0, "s1:3:0"), T0 + 2 * DAY_MS).attempts, 1);
});

t.test("a short time to give up needs no longer span than itself", async (t) => {
  const refused = new RefusedNews(60_000);
  const news = newsAt(T0);
  for (let i = 1; i < ATTEMPTS_MIN; i++) refused.refused(news, T0 + i);
  t.equal(refused.refused(news, T0 + 60_001).isGivenUp, true);
});
