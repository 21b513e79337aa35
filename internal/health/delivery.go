package health

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/config"
	"rootguard/internal/detect"
)

// recreate is how what is gone is made again. CloudFormation does not see that, and a
// stack that was destroyed leaves its table, without which the guard would forget.
func (c *Checker) recreate() string {
	return fmt.Sprintf(`make destroy; set "table": %q in cdk.json, so that the new stack goes on with the table, which is kept; make deploy`,
		c.want.Table)
}

func (c *Checker) again() string {
	return "make deploy; where CloudFormation finds no change: " + c.recreate()
}

// queues are the checks of the home Region's queues.
func (c *Checker) queues() []check {
	one := func(id, url, proves string) check {
		return check{
			id: "queue." + id, group: "queues", region: c.want.Region, severity: detect.High, proves: proves,
			run: func(ctx context.Context) verdict {
				if url == "" {
					return warn("Which queue it is is not known: rootguard was deployed by an older version", "Deploy again: make deploy")
				}
				return c.homeQueue(ctx, url)
			},
		}
	}
	return []check{
		one("undelivered", c.want.Undelivered, "No event waits that could not be delivered to a function"),
		one("failed", c.want.Failed, "No event waits that a function failed on"),
	}
}

// homeQueue is the verdict of a queue whose messages may be read. Where all that wait
// are malformed no redrive helps: the digest names them until they are gone.
func (c *Checker) homeQueue(ctx context.Context, url string) verdict {
	const redrive = "rootguard redrive"
	q, err := c.ports.Queues.Queue(ctx, "", url)
	if err == nil && q.Visible > 0 && c.ports.Messages != nil {
		// Where they cannot be read, or not all, an event may be among them.
		if m, err := c.ports.Messages.Malformed(ctx, url); err == nil && m.Count > 0 && m.Count == m.Read && m.Read >= q.Visible {
			return c.judgeMalformed(url, &m)
		}
	}
	return c.judgeQueue(q, err, url, redrive)
}

func (c *Checker) judgeMalformed(url string, m *Malformed) verdict {
	what := "malformed messages wait, the oldest"
	if m.Count == 1 {
		what = "malformed message waits,"
	}
	v := fail(fmt.Sprintf("%d %s for %s: %s", m.Count, what, age(c.now().Sub(m.Oldest)), url),
		"See each with rootguard redrive --dry-run; once you know what it is, delete it: rootguard redrive --discard "+m.ID)
	v.quiet = c.want.Digest
	return v
}

// age is how long something has waited, for people.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch n := int(d / time.Hour); {
	case d < time.Hour:
		return "less than an hour"
	case n == 1:
		return "1 hour"
	case d < 2*day:
		return fmt.Sprintf("%d hours", n)
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}

func (c *Checker) queue(ctx context.Context, region, queue, redrive string) verdict {
	q, err := c.ports.Queues.Queue(ctx, region, queue)
	return c.judgeQueue(q, err, queue, redrive)
}

func (c *Checker) judgeQueue(q Queue, err error, queue, redrive string) verdict {
	name := queue[strings.LastIndexByte(queue, '/')+1:]
	switch {
	case err != nil:
		return of(err, surely("There is no queue "+name+": what cannot be delivered or handled is lost", c.again()))
	case q.Visible > 0:
		what := fmt.Sprintf("About %d events wait in the queue %s; each is kept for 14 days", q.Visible, name)
		if q.Visible == 1 {
			what = "About 1 event waits in the queue " + name + "; it is kept for 14 days"
		}
		return fail(what, "See them with "+redrive+" --dry-run, fix the cause, then: "+redrive)
	case q.Hidden > 0:
		return warn(fmt.Sprintf("Events of the queue %s are being redriven, about %d", name, q.Hidden), "Check again in 6 minutes")
	}
	return well()
}

func (c *Checker) topicARNs() []string {
	arns := []string{c.want.Alerts}
	for _, arn := range []string{c.want.Escalation, c.want.Chat} {
		if arn != "" {
			arns = append(arns, arn)
		}
	}
	return arns
}

// topicChecks are the checks of who gets alerts, and of the key.
func (c *Checker) topicChecks(a *answers) []check {
	found := a.topics
	topic := func(id, arn, proves string, severity detect.Severity, judge func(ctx context.Context, t *Topic) verdict) check {
		return check{
			id: "topic." + id, group: "topics", region: c.want.Region, severity: severity, proves: proves,
			run: func(ctx context.Context) verdict {
				t, err := found[arn].get(ctx)
				if err != nil {
					return of(err, surely("There is no topic "+nameOf(arn)+": alerts go nowhere", c.recreate()))
				}
				if v := judge(ctx, &t); v.outcome != OK {
					return v
				}
				if v := c.judgeTopicPolicy(arn, t.Policy); v.outcome != OK {
					return v
				}
				if v := c.judgeKey(nameOf(arn), t.Key); v.outcome != OK {
					return v
				}
				return c.judgeDelivery(arn, t.DeliveryPolicy)
			},
		}
	}
	checks := []check{topic("alerts", c.want.Alerts, "A receiver of alerts is confirmed", detect.Critical,
		func(ctx context.Context, t *Topic) verdict {
			if t.Confirmed+t.Pending+t.Deleted == 0 && c.want.Chat != "" {
				if chat, err := found[c.want.Chat].get(ctx); err == nil && chat.Confirmed > 0 {
					return well() // a channel is all that is wanted
				}
			}
			return c.judgeTopic(c.want.Alerts, t)
		})}
	if c.want.Escalation != "" {
		checks = append(checks, topic("escalation", c.want.Escalation, "A receiver of critical alerts is confirmed", detect.High,
			func(_ context.Context, t *Topic) verdict { return c.judgeTopic(c.want.Escalation, t) }))
	}
	if c.want.Chat != "" {
		checks = append(checks, topic("chat", c.want.Chat, "A chat channel receives alerts", detect.High,
			func(_ context.Context, t *Topic) verdict {
				if t.Confirmed > 0 {
					return well()
				}
				return fail("No chat channel is subscribed to the topic "+nameOf(c.want.Chat),
					"In the Amazon Q Developer console, configure a channel with this topic")
			}))
	}
	if c.want.Key != "" {
		checks = append(checks, check{
			id: "key", group: "topics", region: c.want.Region, severity: detect.Critical, every: SlowEvery, proves: "The topics' key can be used",
			run: c.key,
		})
	}
	return checks
}

func (c *Checker) judgeTopic(arn string, t *Topic) verdict {
	region := strings.SplitN(arn, ":", 6)[3]
	waiting := fmt.Sprintf("%d subscriptions of the topic %s are not confirmed", t.Pending, nameOf(arn))
	confirm := fmt.Sprintf("Open the mail that AWS sent and confirm; to have it sent again: aws sns subscribe --region %s --topic-arn %s --protocol email --notification-endpoint ADDRESS", region, arn)
	if t.Pending == 1 {
		waiting = "1 subscription of the topic " + nameOf(arn) + " is not confirmed"
	}
	if len(t.Waiting) > 0 {
		waiting += ": " + strings.Join(t.Waiting, ", ")
		if protocol, endpoint, ok := strings.Cut(t.Waiting[0], " "); ok {
			confirm = strings.Replace(strings.Replace(confirm, "ADDRESS", endpoint, 1), "--protocol email", "--protocol "+protocol, 1)
		}
	}
	// CloudFormation does not make again what no one confirmed in time.
	subscribe := fmt.Sprintf("aws sns subscribe --region %s --topic-arn %s --protocol email --notification-endpoint ADDRESS, then confirm the mail that AWS sends", region, arn)
	switch {
	case t.Confirmed > 0 && t.Pending > 0:
		return warn(waiting, confirm)
	case t.Confirmed > 0:
		return well()
	case t.Pending > 0:
		return surely("No one receives what the topic "+nameOf(arn)+" sends: "+waiting, confirm)
	case t.Deleted > 0:
		return surely("No one receives what the topic "+nameOf(arn)+" sends: its subscriptions were removed of late", subscribe)
	default:
		return surely("No one is subscribed to the topic "+nameOf(arn)+
			": either no receiver is set, or none confirmed within the days for which AWS waits", subscribe)
	}
}

// judgeDelivery reports a policy that changes how often SNS tries to reach an HTTPS
// endpoint, or how many messages a second it gets.
func (c *Checker) judgeDelivery(arn, policy string) verdict {
	if policy == "" {
		return well()
	}
	return warn("The topic "+nameOf(arn)+" has a delivery policy of its own: HTTPS endpoints may get messages late, or too few attempts",
		fmt.Sprintf("aws sns set-topic-attributes --region %s --topic-arn %s --attribute-name DeliveryPolicy --attribute-value ''", c.want.Region,
			arn))
}

// judgeKey holds a topic's key against the one deployed. CloudWatch and EventBridge
// can use no other, so that their messages would be lost.
func (c *Checker) judgeKey(topic, key string) verdict {
	value := c.want.Key
	if value == "" {
		value = "''"
	}
	fix := fmt.Sprintf("aws sns set-topic-attributes --region %s --topic-arn %s --attribute-name KmsMasterKeyId --attribute-value %s",
		c.want.Region, c.arn("sns", c.want.Region, topic), value)
	switch {
	case nameOf(key) == nameOf(c.want.Key):
		return well()
	case c.want.Key == "":
		return verdict{outcome: Failed, severity: detect.High, fix: fix,
			why: fmt.Sprintf("The topic %s uses the key %s, and rootguard has none: alarms, rules and functions may not be able to use it", topic,
				key)}
	case key == "":
		return warn("The topic "+topic+" does not encrypt alerts", fix)
	default:
		return verdict{outcome: Failed, severity: detect.High, fix: fix,
			why: fmt.Sprintf("The topic %s uses the key %s and not rootguard's, which alarms and rules can use", topic, key)}
	}
}

func (c *Checker) key(ctx context.Context) verdict {
	k, err := c.ports.Keys.Key(ctx, c.want.Key)
	cli := func(call string) string {
		return fmt.Sprintf("aws kms %s --region %s --key-id %s", call, c.want.Region, c.want.Key)
	}
	switch {
	case err != nil:
		return of(err, surely("There is no key "+c.want.Key+": no alert can be published", c.recreate()))
	case k.State == "Enabled":
		return well()
	case k.State == "PendingDeletion" || !k.Deleted.IsZero():
		when := "soon"
		if !k.Deleted.IsZero() {
			when = k.Deleted.UTC().Format(time.RFC3339)
		}
		return surely("The topics' key cannot be used, and is gone for ever at "+when+": no alert can be published", cli("cancel-key-deletion")+
			" && "+cli("enable-key"))
	default:
		return surely("The topics' key cannot be used, it is "+k.State+": no alert can be published", cli("enable-key"))
	}
}

// tableGone is the verdict where there is no table.
func (c *Checker) tableGone() verdict {
	name := c.want.Table
	return surely("There is no table "+name+": nothing can be claimed, so no alert is sent",
		// Point-in-time recovery is of a table that is there; of a deleted one DynamoDB
		// keeps a backup for 35 days (Amazon DynamoDB Developer Guide, "Point-in-time recovery").
		fmt.Sprintf("Restore it under its own name, then run rootguard doctor again: aws dynamodb list-backups --region %[1]s --table-name %[2]s --backup-type SYSTEM, "+
			"and: aws dynamodb restore-table-from-backup --region %[1]s --target-table-name %[2]s --backup-arn ARN", c.want.Region, name))
}

// tableChecks are the checks of the table.
func (c *Checker) tableChecks(a *answers) []check {
	name := c.want.Table
	gone := c.tableGone()
	update := fmt.Sprintf("--region %s --table-name %s", c.want.Region, name)
	return []check{{
		id: "table", group: "table", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
		proves: "The table and its index of what is due can be used",
		run: func(ctx context.Context) verdict {
			t, err := a.table.get(ctx)
			if err != nil {
				return of(err, gone)
			}
			return c.judgeTable(&t)
		},
	}, {
		id: "table.protection", group: "table", region: c.want.Region, severity: detect.Medium, every: SlowEvery,
		proves: "The table is kept from deletion, can be restored, and drops what is old",
		run: func(ctx context.Context) verdict {
			t, err := a.table.get(ctx)
			if err != nil {
				return of(err, gone)
			}
			p, err := c.ports.Tables.Protection(ctx, name)
			if err != nil {
				return of(err, gone)
			}
			var faults []verdict
			if !t.DeletionProtection {
				faults = append(faults, fail("The table "+name+" can be deleted by one call", "aws dynamodb update-table "+update+
					" --deletion-protection-enabled"))
			}
			if !p.PointInTimeRecovery {
				faults = append(faults, fail("The table "+name+" has no point-in-time recovery", "aws dynamodb update-continuous-backups "+update+
					" --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"))
			}
			if p.TTL != config.TableTTL {
				faults = append(faults, fail("The table "+name+" keeps rows that have expired", "aws dynamodb update-time-to-live "+update+
					" --time-to-live-specification Enabled=true,AttributeName="+config.TableTTL))
			}
			return worst(faults)
		},
	}}
}

// judgeTable says what keeps the functions from the table's rows, or will.
func (c *Checker) judgeTable(t *Table) verdict {
	name := c.want.Table
	update := fmt.Sprintf("--region %s --table-name %s", c.want.Region, name)
	const index = config.TableDueIndex
	switch {
	case !t.Inaccessible.IsZero():
		return surely(fmt.Sprintf("The table %s cannot be used since %s: DynamoDB may not use its key %s. After 7 days it archives the table",
			name, stamp(t.Inaccessible), t.Key),
			fmt.Sprintf("aws kms enable-key --region %s --key-id %s; then, where the key is not yours: aws dynamodb update-table %s --sse-specification Enabled=false", c.want.Region, t.Key, update))
	case t.Status != "ACTIVE" && t.Status != "UPDATING":
		return fail("The table "+name+" is "+t.Status, "Wait, or see it: aws dynamodb describe-table "+update)
	case t.Indexes[index] == "":
		return surely("The table "+name+" has no index "+index+", so that no roll-up and no reminder is sent",
			fmt.Sprintf("aws dynamodb update-table %s --attribute-definitions AttributeName=%[2]s,AttributeType=S AttributeName=%[3]s,AttributeType=S --global-secondary-index-updates "+
				`'[{"Create":{"IndexName":"%[4]s","KeySchema":[{"AttributeName":"%[2]s","KeyType":"HASH"},{"AttributeName":"%[3]s","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}}]'`,
				update, config.TableDuePartition, config.TableDueSort, index))
	case t.Indexes[index] != "ACTIVE":
		return fail("The index "+index+" of the table "+name+" is "+t.Indexes[index], "Wait, or see it: aws dynamodb describe-table "+update)
	case t.Provisioned:
		return surely("The table "+name+" has a provisioned throughput, beyond which calls are refused", "aws dynamodb update-table "+update+
			" --billing-mode PAY_PER_REQUEST")
	case t.ReadLimit > 0 || t.WriteLimit > 0:
		return surely(fmt.Sprintf("The table %s, or its index, is limited to %d reads and %d writes a second (0: no limit), beyond which calls are refused", name, t.ReadLimit, t.WriteLimit),
			"aws dynamodb update-table "+update+
				" --on-demand-throughput MaxReadRequestUnits=-1,MaxWriteRequestUnits=-1, and the same for its index: --global-secondary-index-updates")
	case t.Key == "" || nameOf(t.Key) == nameOf(c.want.Key):
		return well()
	}
	if c.want.Adopted && strings.HasPrefix(t.Key, c.arn("kms", c.want.Region, "")) {
		return well() // its owner's choice
	}
	return surely(fmt.Sprintf("The table %s is encrypted by the key %s, with which rootguard was not deployed: anyone who can disable that key silences it", name, t.Key),
		"aws dynamodb update-table "+update+" --sse-specification Enabled=false")
}
