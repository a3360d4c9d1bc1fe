// What a gateway can be told, with the limits it has when it is told nothing. Read from the environment by cli.

export interface GatewayConfig {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly limits: GatewayLimits;
}

export interface GatewayLimits {
  /** Connections beyond are closed as they come. */
  readonly connectionsMax: number;
  readonly parkedPollsMax: number;
  readonly seatStreamsMax: number;
  readonly seatViewsMax: number;
}

/** Room for every parked poll and stream, and for those who come to buy. */
export const GATEWAY_LIMITS: GatewayLimits = {
  connectionsMax: 60_000,
  parkedPollsMax: 50_000,
  seatStreamsMax: 2_000,
  seatViewsMax: 4_096,
};
