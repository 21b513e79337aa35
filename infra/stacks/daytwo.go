package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"rootguard/infra/settings"
	"rootguard/internal/daytwo"
)

// dayTwo are the permissions of the chosen steps of day two, in the guard's own
// account and by the read-only role in others. A step that is not chosen has none.
func dayTwo(s *settings.Settings) []awsiam.PolicyStatement {
	var statements []awsiam.PolicyStatement
	steps, _ := daytwo.Choose(s.DayTwo) // Parse lets no other through
	for _, step := range steps {
		e, _ := daytwo.Of(step)
		for i, p := range e.Permissions {
			sid := "DayTwo" + camel(string(step))
			if i > 0 {
				sid += string(rune('A' + i))
			}
			statements = append(statements, allow(sid, p.Actions, []string{p.ARN(*awscdk.Aws_PARTITION(), *awscdk.Aws_ACCOUNT_ID())}, nil))
		}
	}
	return statements
}
