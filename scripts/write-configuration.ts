// Writes docs/CONFIGURATION.md from the table of settings.

import { writeFileSync } from "node:fs";
import { configurationMarkdown } from "../cli/configuration-page.ts";

writeFileSync(new URL("../docs/CONFIGURATION.md", import.meta.url), configurationMarkdown());
