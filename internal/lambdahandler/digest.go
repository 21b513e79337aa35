package lambdahandler

import (
	"context"
	"log/slog"
	"time"

	"rootguard/internal/digestwork"
)

// DigestSender sends the digest, once a period.
type DigestSender interface {
	Run(ctx context.Context, at time.Time) (digestwork.Result, error)
}

// SendDigest is the task of sending the digest.
func SendDigest(s DigestSender) Task {
	return taskOf("digest", s.Run, func(did digestwork.Result) []slog.Attr {
		return []slog.Attr{slog.Int("accounts", did.Accounts), slog.Bool("sent", did.Sent), slog.Bool("more", did.More)}
	})
}

// Digest is the sender of the digest, over the function's store. It makes no request.
func (f *Function) Digest() *digestwork.Sender {
	return &digestwork.Sender{
		Collector: digestwork.CollectorOf(&f.Config, f.Store, f.AccountName),
		Guard:     f.Parts.Guard, States: f.Store.DigestStates(), Collections: f.Store.DigestCollections(), Now: f.Deps.Now,
	}
}
