package bootstrap

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// manyFacts is a busy account: users come, get passwords, rights by groups and
// MFA, are renamed and go; root works in between.
func manyFacts(n int) []Fact {
	facts := make([]Fact, 0, n)
	add := func(f Fact) {
		i := len(facts)
		f.Account, f.EventID = account, fmt.Sprintf("e%08d", (i*7919)%100000007)
		f.ID = string(f.Kind) + "/" + f.EventID
		f.Time = day0.Add(time.Duration(i/3) * time.Second)
		facts = append(facts, f)
	}
	add(Fact{Kind: GroupCreated, Group: "ops"})
	for i := 0; len(facts) < n; i++ {
		name, id := fmt.Sprint("user", i%1000), fmt.Sprintf("AIDA%012d", i)
		add(Fact{Kind: UserCreated, UserName: name, UserID: id})
		add(Fact{Kind: PasswordSet, UserName: name})
		add(Fact{Kind: GroupJoined, UserName: name, Group: "ops"})
		if i%100 == 0 {
			add(Fact{Kind: GroupPolicyGranted, Group: "ops", Policy: adminARN, Admin: true})
		}
		add(Fact{Kind: MFAEnabled, UserName: name, Serial: app + name})
		add(Fact{Kind: UserSignIn, UserName: name, UserID: id, Actor: name, ActorID: id})
		add(Fact{Kind: UserRenamed, UserName: name, NewName: name + "x"})
		add(Fact{Kind: RootActivity, AccessKeyID: "ASIA1", Last: day0.Add(time.Duration(len(facts)) * time.Second)})
		if i%2 == 0 {
			add(Fact{Kind: UserDeleted, UserName: name + "x"})
		}
	}
	facts = facts[:n]
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	return facts
}

func BenchmarkFold(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		facts := manyFacts(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				st := Fold(account, facts, DefaultOptions(), after(1000))
				if len(st.Users) == 0 {
					b.Fatal("no users")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/fact")
		})
	}
}
