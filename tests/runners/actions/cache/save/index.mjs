// Saves as actions/cache/save does.
const { saveCache } = await import(process.env.TEST_CACHE_MODULE);
await saveCache([process.env.INPUT_PATH], process.env.INPUT_KEY);
console.log(`saved ${process.env.INPUT_KEY}`);
