// Package eventrules has rootguard's EventBridge rules: those that deliver events to
// the functions, those that watch rootguard itself, and the names they rest on.
// What is deployed and what is tested have this one source.
package eventrules
