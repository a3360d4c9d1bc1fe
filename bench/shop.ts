// Shows to sell and people to sell to, over HTTP: who asks for what, turn by turn, so that nobody comes near a limit.

import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { type HttpAnswer, type LoadConnection, once } from "../test/harness/http-client.ts";

/** Prime: each session meets every show before it meets one again. */
const SESSIONS = 509;
const DAY_MS = 86_400_000;

export const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`;
export const codeOf = (body: string): string => /"code":"(\w+)"/.exec(body)?.[1] ?? "";
const wrong = (what: string, { status, body }: HttpAnswer): string => `${what} ${status} ${codeOf(body)}`;

export interface ShopOptions {
  readonly url: string;
  readonly adminToken: string;
  /** Of 200 seats each. */
  readonly shows: number;
  /** Begins the ids of its shows; several shops may stand in one catalogue. */
  readonly prefix?: string;
  readonly sessions?: number;
}

export class Shop {
  readonly #options: ShopOptions;
  readonly #tokens: string[] = [];
  #turn = 0;

  private constructor(options: ShopOptions) {
    this.#options = options;
  }

  static async open(options: ShopOptions): Promise<Shop> {
    const { url, adminToken, shows, prefix } = options;
    const startsAt = Date.now() + DAY_MS;
    const catalogue = smallCatalogue({ shows, startsAt, ...(prefix === undefined ? {} : { prefix }) });
    await once(url, "POST", "/v1/admin/catalogue", bearer(adminToken), JSON.stringify(catalogue));
    const shop = new Shop(options);
    for (let i = 0; i < (options.sessions ?? SESSIONS); i += 1) {
      const answer = (await once(url, "POST", "/v1/sessions", "", "{}")) as { token: string };
      shop.#tokens.push(answer.token);
    }
    return shop;
  }

  /** Two seats locked, paid for, booked. */
  book(connection: LoadConnection): Promise<string | undefined> {
    return this.#book(connection, this.#next());
  }

  /** The same, and the seats are free again. */
  async bookAndCancel(connection: LoadConnection): Promise<string | undefined> {
    const turn = this.#next();
    let bookingId = "";
    const failure = await this.#book(connection, turn, (id) => {
      bookingId = id;
    });
    if (failure !== undefined) return failure;
    const headers = this.#headers(turn, "x");
    const answer = await connection.request("POST", `/v1/bookings/${bookingId}/cancel`, headers, "{}");
    return answer.status === 200 ? undefined : wrong("cancel", answer);
  }

  async #book(
    connection: LoadConnection,
    turn: number,
    onLocked: (id: string) => void = () => undefined,
  ): Promise<string | undefined> {
    const lockHeaders = this.#headers(turn, "l");
    const lock = await connection.request("POST", "/v1/bookings/lock", lockHeaders, this.#lockBody(turn, 2));
    if (lock.status !== 201) return wrong("lock", lock);
    const { lock_id } = JSON.parse(lock.body) as { lock_id: string };
    onLocked(lock_id);
    const body = `{"lock_id":"${lock_id}","payment_token":"pm_card_visa"}`;
    const confirm = await connection.request("POST", "/v1/bookings/confirm", this.#headers(turn, "c"), body);
    return confirm.status === 200 ? undefined : wrong("confirm", confirm);
  }

  /** One seat locked, and left so. */
  async lock(connection: LoadConnection): Promise<string | undefined> {
    const turn = this.#next();
    const headers = this.#headers(turn, "l");
    const answer = await connection.request("POST", "/v1/bookings/lock", headers, this.#lockBody(turn, 1));
    return answer.status === 201 ? undefined : wrong("lock", answer);
  }

  /** What `lock` sends, to something that only sends it back. */
  async echo(connection: LoadConnection): Promise<string | undefined> {
    const turn = this.#next();
    const answer = await connection.request("POST", "/echo", this.#headers(turn, "l"), this.#lockBody(turn, 1));
    return answer.status === 200 ? undefined : wrong("echo", answer);
  }

  #lockBody(turn: number, quantity: number): string {
    const { shows, prefix } = this.#options;
    return `{"showtime_id":"${smallShowId(turn % shows, prefix)}","quantity":${quantity}}`;
  }

  #next(): number {
    this.#turn += 1;
    return this.#turn;
  }

  #headers(turn: number, what: "l" | "c" | "x"): string {
    return `${bearer(this.#tokens[turn % this.#tokens.length] as string)}X-Idempotency-Key: ${what}${turn}\r\n`;
  }
}
