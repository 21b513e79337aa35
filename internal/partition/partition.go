// Package partition names AWS's partitions: where each records root's sign-ins,
// and which of its Regions every account has.
package partition

import (
	"slices"
	"strings"
)

// Partition is a group of AWS Regions with accounts and endpoints of its own.
type Partition struct {
	ID     string // as in ARNs: "aws"
	Home   string // the Region in which root's sign-ins and IAM's calls are recorded
	Suffix string // of the names of its endpoints: "amazonaws.com"
	// Second is the Region that is best for a second way out: enabled in every new
	// account, and not Home. "" where there is none.
	Second string
	// Regions are enabled in every new account, Home first, then in order of
	// their names (AWS Account Management Reference Guide, "Enable or disable AWS
	// Regions in your account"). Others are opt-in Regions.
	Regions []string
}

// all are the partitions by ID. Home: AWS Sign-In User Guide and IAM User Guide,
// on logging with CloudTrail.
var all = []Partition{
	{"aws", "us-east-1", "amazonaws.com", "us-east-2", []string{
		"us-east-1",
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
		"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
		"us-east-2", "us-west-1", "us-west-2",
	}},
	{"aws-us-gov", "us-gov-west-1", "amazonaws.com", "us-gov-east-1", []string{"us-gov-west-1", "us-gov-east-1"}},
	{"aws-cn", "cn-north-1", "amazonaws.com.cn", "cn-northwest-1", []string{"cn-north-1", "cn-northwest-1"}},
	{"aws-eusc", "eusc-de-east-1", "amazonaws.eu", "", []string{"eusc-de-east-1"}},
}

// IDs are the IDs of all partitions, the commercial one first.
func IDs() []string {
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return ids
}

// Of returns the partition of an ID; ok is false where there is none.
func Of(id string) (p Partition, ok bool) {
	i := slices.IndexFunc(all, func(p Partition) bool { return p.ID == id })
	if i < 0 {
		return Partition{}, false
	}
	p = all[i]
	p.Regions = slices.Clone(p.Regions)
	return p, true
}

// Further are the Regions besides Home.
func (p *Partition) Further() []string {
	return slices.DeleteFunc(slices.Clone(p.Regions), func(r string) bool { return r == p.Home })
}

// OfRegion returns the partition that a Region is in, by its name (AWS Fault
// Isolation Boundaries, "Partitions"); ok is false for a partition that is not
// listed here.
func OfRegion(region string) (p Partition, ok bool) {
	for prefix, id := range map[string]string{"us-gov-": "aws-us-gov", "cn-": "aws-cn", "eusc-": "aws-eusc"} {
		if strings.HasPrefix(region, prefix) {
			return Of(id)
		}
	}
	// The isolated partitions have Regions such as us-iso-east-1 and eu-isoe-west-1.
	if _, rest, _ := strings.Cut(region, "-"); strings.HasPrefix(rest, "iso") {
		return Partition{}, false
	}
	return Of("aws")
}

// SecondOf is the Region of the second way out where events of these Regions are
// forwarded to Home: Second if it is among them, else the first by name, "" where
// there is none.
func (p *Partition) SecondOf(regions []string) string {
	others := slices.DeleteFunc(slices.Sorted(slices.Values(regions)), func(r string) bool { return r == p.Home })
	switch {
	case len(others) == 0:
		return ""
	case slices.Contains(others, p.Second):
		return p.Second
	default:
		return others[0]
	}
}
