// Package guardtest is what every adapter of the guard's ports must do, as tests.
//
// The fakes in memory, the file of `rootguard replay` and DynamoDB pass the same ones,
// so a test over fakes holds for what is deployed. Each takes a function that returns an
// empty store. They hold that rows come back whole, that decide may be called again,
// that no write of several at once is lost, and that a canceled context stores nothing.
package guardtest
