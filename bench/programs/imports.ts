/** What loading the API's code takes, and nothing else. */
await import('#apps/api/start-api.ts');
await import('#libs/run-app/run-app.ts');
console.log('It is ready');
process.exit();
