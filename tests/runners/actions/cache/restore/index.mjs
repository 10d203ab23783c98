// Restores as actions/cache/restore does, and says by which key.
import { appendFileSync } from "node:fs";
const { restoreCache } = await import(process.env.TEST_CACHE_MODULE);
const { INPUT_PATH, INPUT_KEY, "INPUT_RESTORE-KEYS": prefixes } = process.env;
const found = await restoreCache([INPUT_PATH], INPUT_KEY, prefixes ? prefixes.split("\n") : []);
console.log(`restored ${found ?? "nothing"}`);
appendFileSync(process.env.GITHUB_OUTPUT, `cache-hit=${found === undefined ? "" : found === INPUT_KEY}\n`);
