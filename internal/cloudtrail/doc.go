// Package cloudtrail reads CloudTrail records: what they say, typed, without judging it.
package cloudtrail
