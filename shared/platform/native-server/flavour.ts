// What a server program wants to be told, and how it is asked whether it is ready.

import type { ServerProgram } from "./find-program.ts";

export interface ServerPlace {
  /** Where it stands and keeps its data; a real path, there already. */
  readonly workDir: string;
  readonly port: number;
  /** Hexadecimal. */
  readonly password: string;
  /** New at every start: names this very server, where it can say its name. */
  readonly name: string;
}

export interface Flavour {
  /** As people call it. */
  readonly name: string;
  readonly program: ServerProgram;
  readonly configName: string;
  config(place: ServerPlace): string;
  arguments(configFile: string): readonly string[];
  /** Whether this very server answers. */
  isReady(server: Omit<ServerPlace, "workDir"> & { readonly pid: number }): Promise<boolean>;
  url(port: number, password: string): string;
}
